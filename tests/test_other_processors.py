"""The bounds that rounding comes near to hold with the kernels of another processor, too."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# torch's own kernels, MKL's products and oneDNN's convolutions without vector instructions: the farthest from
# what this machine has that it can do
OTHER = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"}
DELICATE = (
    "tests/posteriors/test_bernoulli_trajectories.py",  # steps that magnify a last bit a thousandfold
    "tests/models/test_network.py::test_without_batch_norm_an_image_is_judged_alone",
)
RUN = """
import sys, pytest, torch
assert torch.backends.cpu.get_cpu_capability() == "DEFAULT"
sys.exit(pytest.main(sys.argv[1:]))
"""


def test_the_most_delicate_bounds_hold_without_vector_instructions():
    command = [sys.executable, "-c", RUN, "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *DELICATE]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | OTHER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
