"""The files of training.save: safetensors with one text that says what they are of, and nothing else.

The same knowledge makes the same bytes: the text has no times, paths or versions.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cl_bench.evaluation.answers import Answers
from cl_bench.records.atomic import ForeignFileError, write_whole
from cl_bench.records.saved import FORMAT, KEY, PREDICTIONS, WEIGHTS, described
from cl_bench.runner.saved_tensors import as_bits, from_bits, put_together, taken_apart

NETWORK, STATE, PACKED = "network", "state", "packed"  # in the text of weights


class Weights(NamedTuple):
    """What a file of weights holds.

    Attributes:
        about: what it says of itself.
        network: the network's tensors, under the names of its `state_dict`.
        knowledge: of `learner.knowledge`; of a strategy whose state nobody can tell the network alone.
    """

    about: dict[str, Any]
    network: dict[str, Tensor]
    knowledge: dict[str, Any]


def write_weights(path: Path, knowledge: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write what a strategy knows. Raises OSError."""
    told, tensors = taken_apart(dict(knowledge))
    stored, packed = as_bits(tensors)
    _write(path, stored, {"kind": WEIGHTS, **about, PACKED: packed, STATE: told})


def read_weights(path: Path) -> Weights:
    """Read what a strategy knew; nothing of it is run.

    Raises:
        OSError: where the file cannot be read.
        ForeignFileError: where it is damaged, or says what cannot be.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    about = described(path, kind=WEIGHTS)
    try:
        tensors = from_bits(load_file(path), about.get(PACKED) or {})
        knowledge = put_together(about.get(STATE), tensors)
        if not isinstance(knowledge, dict) or not isinstance(knowledge.get(NETWORK), dict):
            raise ValueError("it has no network")
        network = knowledge[NETWORK]
        if not all(isinstance(name, str) and isinstance(each, Tensor) for name, each in network.items()):
            raise ValueError("its network must be tensors by name")
    except (SafetensorError, ValueError) as error:
        raise ForeignFileError(f"{path} cannot be read: {error}") from error
    return Weights(
        {key: each for key, each in about.items() if key not in (STATE, PACKED)}, network, knowledge
    )


def write_predictions(path: Path, answers: Answers, on_tasks: list[int], about: Mapping[str, Any]) -> None:
    """Write what a strategy answered. Raises OSError.

    Args:
        on_tasks: the tasks that were tested, from 1, in the order of the answers.
    """
    tensors = {
        "outputs": answers.outputs.contiguous(),
        "labels": _small(answers.labels),
        "tasks": _small(torch.tensor(on_tasks)[answers.tasks]),
    }
    _write(path, tensors, {"kind": PREDICTIONS, **about})


def _small(numbers: Tensor) -> Tensor:
    """Whole numbers from 0 in the smallest type that holds them."""
    largest = int(numbers.max()) if numbers.numel() else 0
    kind = torch.uint8 if largest < 2**8 else torch.int16 if largest < 2**15 else torch.int64
    return numbers.to(kind)


def _write(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    from safetensors.torch import save

    path.parent.mkdir(exist_ok=True)
    text = json.dumps({"format": FORMAT, **about})
    write_whole(path, save(dict(tensors), {KEY: text}))
