"""`cl-bench tune`: its command line, taken apart, and the searches that it asks for."""

import itertools
import shlex
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from cl_bench.cli.exit_status import status_of
from cl_bench.config.choices import look_in, say_hidden
from cl_bench.config.places import CONFIG_DIR, conf_folder, expanded
from cl_bench.config.words import override, with_folders
from cl_bench.runner.assembly import NOISE
from cl_bench.tuning.samplers import check_sampler
from cl_bench.tuning.space import dimension_of
from cl_bench.tuning.tune import BESIDES, OURS, PAIRS, Request, check, tune_one
from cl_bench.validation import check_count, check_seed, check_share

NOT_THEIRS = {  # what the search sets itself, and what to do about it
    "seed": "set tune.first_seed",
    "seeds": "set tune.first_seed and tune.num_seeds",
    "study": "set tune.folder",
    "training.test_on": "leave it out: only validation images are scored",
    "benchmark.validation_share": "set tune.validation_share",
    **{f"training.{name}": "leave it out: validation images give the score" for name in BESIDES},
}

USAGE = """cl-bench tune: find settings without a look at what is reported

  cl-bench tune strategy=a,b benchmark=... [setting=value ...] [setting=x,y,z ...] [tune.trials=...]

For each strategy and benchmark it tries settings on streams of its own. These share no permutation and no
class order with the reported ones. Validation images alone give the score; test images are not read. The best
settings are written with the whole search to <results_dir>/tuning/<benchmark>/<strategy>.yaml. To use them:

  cl-bench run --config-dir <results_dir> strategy=... benchmark=...

The settings that are searched stand in conf/search/<strategy>.yaml. A setting with several values on the
command line is searched, too, or in its place; one with a single value is fixed. The syntax is Hydra's:
  1,10,100   range(1,5)   interval(0,1)   tag(log,interval(1e-4,1e-1))   int(interval(1,9))
hydra/launcher=local runs trials in parallel processes. The same command again does only what is left.

"""


def main(arguments: Sequence[str]) -> int:
    """Search and write; return the exit status."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE + (conf_folder() / "tune.yaml").read_text())
        return 0 if arguments else 2
    warnings.filterwarnings("ignore", message=NOISE)
    return status_of(lambda: _tune(arguments))


def _tune(arguments: Sequence[str]) -> None:
    request = read(arguments)
    benchmarks = [f"benchmark={each}" for each in request.pairs["benchmark"]]
    pairs = [
        (strategy, [*request.fixed, f"strategy={strategy}", *filter(None, [benchmark])])
        for strategy, benchmark in itertools.product(request.pairs["strategy"], benchmarks or [""])
    ]
    for strategy, overrides in pairs:  # all of them before the first search
        check(strategy, overrides=overrides, request=request)
    for strategy, overrides in pairs:
        print(tune_one(strategy, overrides=overrides, request=request), flush=True)


def read(arguments: Sequence[str]) -> Request:
    """Take the command line apart.

    Raises:
        ValueError: for a setting that only the search sets, or that a search has not.
    """
    tune = OmegaConf.load(conf_folder() / "tune.yaml")
    assert isinstance(tune, DictConfig)
    pairs: dict[str, list[str]] = {name: [] for name in PAIRS}
    fixed, dimensions = [], {}
    for given in _overrides(arguments):
        key, written = given.get_key_element().lstrip("+~"), str(given.input_line)
        if key in NOT_THEIRS:
            raise ValueError(f"a search sets {key} itself, got {written}; {NOT_THEIRS[key]}")
        if key.startswith(OURS):
            name = key.removeprefix(OURS)
            if name not in tune:
                raise ValueError(
                    f"there is no setting {key}; there are tune.{', tune.'.join(map(str, tune))}"
                )
            tune[name] = given.value()
            if name == "short":
                _check_short(tune.short)
        elif key in PAIRS:
            pairs[key] = (
                [*map(str, given.sweep_string_iterator())]
                if given.is_sweep_override()
                else [str(given.value())]
            )
        else:
            dimensions[key] = dimension_of(given)
            if dimensions[key] is None:
                fixed.append(written)
    if not pairs["strategy"]:
        raise ValueError("a search needs a strategy, got none; give strategy=..., see cl-bench tune --help")
    check_count(trials=tune.trials, num_seeds=tune.num_seeds, num_reported=tune.num_reported)
    check_sampler(tune)
    if tune.short and tune.finalists is None:
        raise ValueError(
            f"tune.short needs finalists, which are tried in full, got tune.short={tune.short}; "
            "set tune.finalists=3"
        )
    check_share(validation_share=tune.validation_share)
    check_seed("tune.first_seed", tune.first_seed)
    check_seed("tune.sampler_seed", tune.sampler_seed)
    return Request(f"cl-bench tune {shlex.join(arguments)}", pairs, fixed, dimensions, tune)


def _check_short(short: Any) -> None:
    """Check the settings of short runs: a mapping of settings that a search does not set itself."""
    if not isinstance(short, DictConfig):
        raise ValueError(f"tune.short must be settings such as {{training.epochs:2}}, got {short!r}")
    for key in map(str, short):
        if key in (*NOT_THEIRS, *PAIRS) or key.startswith(OURS):
            raise ValueError(
                f"short runs cannot have a {key} of their own, got tune.short={short}; leave it out"
            )


def _overrides(arguments: Sequence[str]) -> list[Override]:
    """Parse the words as overrides; --config-dir becomes Hydra's setting for it."""
    left, words, folders = list(arguments), list[str](), list[Path]()
    while left:
        argument = left.pop(0)
        if argument in CONFIG_DIR and left:
            argument = f"--config-dir={left.pop(0)}"
        if argument.startswith("--config-dir="):
            folders.append(Path(expanded(argument.partition("=")[2])).resolve())
            continue
        if argument.startswith("-"):
            raise ValueError(f"cl-bench tune takes settings and --config-dir, got {argument}")
        if "=" not in argument and not argument.startswith("~"):
            raise ValueError(f"cl-bench tune takes settings as name=value, got {argument}")
        words.append(override(argument, several=True))
    look_in(folders)
    say_hidden(folders)
    return OverridesParser.create().parse_overrides(with_folders(words, folders))
