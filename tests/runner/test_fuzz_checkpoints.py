"""Mutated checkpoints: what was written, or an error that says so; nobody's code runs, nothing hangs."""

import hashlib
import io
from contextlib import suppress

import pytest
import torch
from fuzzing import bounded, bytes_near, few, fuzzed
from hypothesis import given
from hypothesis import strategies as st

from cl_bench.runner import checkpoint_file as checkpoints
from cl_bench.runner.checkpoint_file import MAGIC, CheckpointError

CONTENT = {"state": {"weights": torch.arange(6.0), "steps": 4}, "runs": ["a"], "seconds": 1.5}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "checkpoint" / "task"
    checkpoints.write(path, CONTENT)
    return path


def is_the_content(found):
    return (
        torch.equal(found["state"]["weights"], CONTENT["state"]["weights"]) and found.keys() == CONTENT.keys()
    )


@fuzzed
@given(data=st.data())
def test_a_changed_file_is_refused(file, data):
    whole = file.read_bytes()
    mutant = data.draw(bytes_near(whole))
    changed = file.with_name("changed")
    changed.write_bytes(mutant)
    with bounded():
        if mutant == whole:
            assert is_the_content(checkpoints.read(changed))
        else:
            with pytest.raises(CheckpointError, match="damaged"):
                checkpoints.read(changed)


@few
@given(data=st.data())
def test_a_forged_file_holds_plain_values_or_is_refused(file, data):
    """Its hash fits: somebody made it."""
    payload = data.draw(bytes_near(file.read_bytes()[len(MAGIC) + 32 :]))
    forged = file.with_name("forged")
    forged.write_bytes(MAGIC + hashlib.sha256(payload).digest() + payload)
    with bounded(), suppress(CheckpointError):
        assert isinstance(checkpoints.read(forged), dict)


def test_values_that_are_not_plain_are_refused(file):
    buffer = io.BytesIO()
    torch.save({"state": torch.nn.Linear(2, 2)}, buffer)
    payload = buffer.getvalue()
    forged = file.with_name("network")
    forged.write_bytes(MAGIC + hashlib.sha256(payload).digest() + payload)
    with pytest.raises(CheckpointError, match="plain values"):
        checkpoints.read(forged)
