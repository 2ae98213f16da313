"""The binary network of a run as one small file: `cl-bench export`."""

import io
import json
import os
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from cl_bench import packed
from cl_bench.models.exported import Arrays, NotExportedError, Steps, exported
from cl_bench.models.network import Network
from cl_bench.records.atomic import write_whole
from cl_bench.records.run_files import about_run
from cl_bench.records.runs import find_folders
from cl_bench.runner.load_saved import load_network

ENDING = ".npz"
CHECKED = 100  # random images
CLOSE = 1e-9  # relative to the largest logit; both sides compute in double precision


class Exported(NamedTuple):
    """What was written."""

    path: Path
    num_bytes: int
    num_bytes_float: int  # of a file with the same network in float32
    num_heads: int
    difference: float  # the largest between logits of the file and of torch
    num_test_samples: int  # of the run's own tests; 0: they have the weights that were written


def export(
    run: str | os.PathLike[str], output: Path, *, after_task: int | None = None, trust: bool = False
) -> Exported:
    """Write the most probable weights of a run's binary network, a bit each.

    Before that NumPy must compute from the file what torch computes. The same network makes the same bytes.

    Args:
        run: its folder, with weights that `training.save=[weights]` has left.
        output: ends in .npz; a file that is there is replaced.
        after_task, trust: as in `cl_bench.load_network`.

    Raises:
        ValueError: without saved weights, for a network that is not binary or has other parts than mlp and
            cnn, and for another ending.
        OSError: where the file cannot be written.
    """
    if output.suffix != ENDING:
        raise ValueError(f"the file of a network must end in {ENDING}, got {output}; rename it")
    (folder,) = find_folders(run)[:1]
    network = load_network(run, after_task=after_task, trust=trust, device="cpu")
    try:
        content = _file(*exported(network))
    except NotExportedError as error:
        raise ValueError(f"cannot export {folder}: {error}") from error
    difference = _difference(network, content)
    floats = {name: each.numpy() for name, each in network.state_dict().items()}
    write_whole(output, content)
    samples = about_run(folder)["settings"].get("strategy.num_test_samples")
    return Exported(
        output,
        len(content),
        len(_zipped(floats)),
        network.heads.num_heads if isinstance(network, Network) else 1,
        difference,
        samples if type(samples) is int else 0,
    )


def _file(steps: Steps, arrays: Arrays) -> bytes:
    text = np.frombuffer(json.dumps(steps).encode(), dtype=np.uint8)
    return _zipped({"steps": text, **arrays})


def _zipped(arrays: Arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]  # the names are no arguments of its own
    return file.getvalue()


def _difference(network: Any, content: bytes) -> float:
    """The largest difference of logits, of random images. ValueError where it is no rounding."""
    read = packed.read(io.BytesIO(content))
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(CHECKED, *network.input_shape, generator=draw, dtype=torch.float64)
    largest = 0.0
    with torch.no_grad():
        double = deepcopy(network).double()
        for head in range(network.heads.num_heads):
            torchs = double(images, head).numpy()
            ours = packed.logits(read, images.numpy(), head)
            difference = float(np.abs(torchs - ours).max())
            if not difference <= CLOSE * max(1.0, float(np.abs(torchs).max())):
                raise ValueError(
                    "cannot export the network: NumPy's logits must be torch's, and differ by "
                    f"{difference:g}; nothing was written"
                )
            largest = max(largest, difference)
    return largest
