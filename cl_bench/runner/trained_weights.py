"""Weights that were trained elsewhere, for a network that is not trained any more."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.models import Network
from cl_bench.records.same_files import open_regular
from cl_bench.records.tensor_files import check_claims
from cl_bench.records.text import one_line

WITHIN = ("state_dict", "model_state_dict", "model")  # where others' checkpoints have their weights
HEADS = "heads."  # of a Network: what is left out, as features come from below
SHOWN = 4  # names of tensors in an error


def sha256(path: Path) -> str:
    """Hash a file. Raises OSError."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_weights(network: nn.Module, path: Path) -> None:
    """Put the weights of a file into a network; the heads of a `Network` stay as they are.

    Args:
        path: a .safetensors file, or a state_dict that torch.save wrote. Nothing of it is run.

    Raises:
        OSError: where it cannot be read.
        ValueError: where it is damaged, or has not each tensor of the network in its shape, and no other.
    """
    left_out = HEADS if isinstance(network, Network) else ()
    found, wanted = (
        {name: each for name, each in tensors.items() if not name.startswith(left_out)}
        for tensors in (_tensors(path), network.state_dict())
    )
    wrong = [f"no {name}" for name in wanted if name not in found]
    wrong += [f"{name}, which it has not" for name in found if name not in wanted]
    wrong += [
        f"{name} of {list(found[name].shape)}, not {list(each.shape)}"
        for name, each in wanted.items()
        if name in found and found[name].shape != each.shape
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ValueError(
            f"checkpoint must have the weights of this network, got {', '.join(wrong[:SHOWN])}{more} in "
            f"{path}; set model=... as it was trained"
        )
    network.load_state_dict(found, strict=False)


def _tensors(path: Path) -> dict[str, Tensor]:
    open_regular(path).close()  # a pipe would be waited for
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            check_claims(path)
            content = torch.load(path, weights_only=True, map_location="cpu")
    except OSError:
        raise
    except Exception as error:  # safetensors and torch raise many kinds for a damaged file
        raise ValueError(
            f"checkpoint must be a .safetensors file or a state_dict of torch.save, got {path}: "
            f"{one_line(str(error))[:200]}"
        ) from error
    for name in WITHIN:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
            break
    if not isinstance(content, Mapping) or not all(isinstance(each, Tensor) for each in content.values()):
        raise ValueError(
            f"checkpoint must be a state_dict, tensors by name, got {path}; save model.state_dict()"
        )
    return dict(content)
