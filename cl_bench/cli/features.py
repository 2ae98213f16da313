"""`cl-bench features`: its command line."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cl_bench.cli.exit_status import status_of
from cl_bench.config.choices import look_in, say_hidden
from cl_bench.config.places import CONFIG_DIR, expanded, shell_word
from cl_bench.config.words import WordError, with_folders

USAGE = """cl-bench features: what a network that stays as it is makes of a data set, written once

  cl-bench features benchmark/dataset=... model=... [checkpoint=...] [layer=...] [setting=value ...] -o FILE

It writes the features of all training and test images with their labels: one .safetensors file. Test images
are read, because they are data here; no label has a part in the features. To use them:

  cl-bench run benchmark=split benchmark/dataset=features benchmark.dataset.path=FILE benchmark.pixels=raw

  checkpoint=PATH   a file of weights (.safetensors, or a state_dict of torch.save), or the folder of a run
                    that has saved them (training.save=[weights]), whose own network is taken then; without
                    it the model is as it is built: with weights of its own, or the first ones of the seed
  layer=NAME        a part of the network, such as body.3; without it the body, whose outputs the heads get
  -o FILE           where; a file that is there is replaced
  --config-dir DIR  a folder with settings of your own

Of the settings, benchmark.pixels, benchmark.padding, training.device and training.test_batch_size count.
"""
OWN = ("checkpoint", "layer")


class Request(NamedTuple):
    """A command line, taken apart."""

    overrides: list[str]
    checkpoint: Path | None
    layer: str | None
    output: Path


def main(arguments: Sequence[str]) -> int:
    """Write features; return the exit status."""
    if not arguments or set(arguments) & {"-h", "--help"}:
        print(USAGE)
        return 0 if arguments else 2
    return status_of(lambda: _write(arguments))


def _write(arguments: Sequence[str]) -> None:
    request = read(arguments)
    from cl_bench.config.checked import checked
    from cl_bench.config.compose import compose
    from cl_bench.runner.assembly import NOISE

    config = checked(compose(request.overrides))
    warnings.filterwarnings("ignore", message=NOISE)
    from cl_bench.runner.features import write_features

    found = write_features(config, checkpoint=request.checkpoint, layer=request.layer, output=request.output)
    shape = "x".join(map(str, found.shape))
    print(f"{found.path}: {found.source}")
    print(f"{found.num_train:,} + {found.num_test:,} examples of {shape}, {found.num_bytes / 1e6:.1f} MB")
    print("Test images were read, as data; no label was used.\n\nA stream of them:")
    path = shell_word(f"benchmark.dataset.path={found.path}")
    print(f"  cl-bench run benchmark=split benchmark/dataset=features {path} benchmark.pixels=raw")


def read(arguments: Sequence[str]) -> Request:
    """Take the command line apart.

    Raises:
        WordError: for a word that it does not take.
    """
    left, overrides, folders = list(arguments), list[str](), list[Path]()
    own: dict[str, str] = {}
    output = None
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if name in ("-o", "--output", *CONFIG_DIR) and not equals:
            if not left:
                raise WordError(f"{name} needs a value, got none")
            value = left.pop(0)
        if name in ("-o", "--output"):
            output = Path(expanded(value))
        elif name in CONFIG_DIR:
            folders.append(Path(expanded(value)).resolve())
        elif name in OWN:
            own[name] = value
        elif word.startswith("-") or not (equals or word.startswith("~")):
            raise WordError(
                f"cl-bench features takes settings as name=value, -o and --config-dir, got {word}"
            )
        else:
            overrides.append(word)
    if output is None:
        raise WordError("cl-bench features needs a file to write, got none; give -o features.safetensors")
    if not any(word.startswith("benchmark=") for word in overrides):
        overrides.insert(0, "benchmark=split")
    look_in(folders)
    say_hidden(folders)
    checkpoint = own.get("checkpoint")
    return Request(
        with_folders(overrides, folders),
        Path(expanded(checkpoint)) if checkpoint else None,
        own.get("layer") or None,
        output,
    )
