"""What a process that trains is set to."""

import os
import sys
from collections.abc import Iterator

import pytest
import torch

from cl_bench.learner.process import prepare_process, process_restored


@pytest.fixture(autouse=True)
def _process_as_before() -> Iterator[None]:
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    convolutions = torch.backends.cudnn.allow_tf32
    yield
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)


@pytest.mark.parametrize("threads", [1, 2])
def test_torch_uses_as_many_threads_as_are_asked_for(threads):
    prepare_process(threads=threads, precision="float32")
    assert torch.get_num_threads() == threads


def test_tf32_is_for_the_runs_that_ask_for_it():
    prepare_process(threads=1, precision="tf32")
    assert torch.get_float32_matmul_precision() == "high"
    assert torch.backends.cudnn.allow_tf32
    for precision in ("float32", "bfloat16"):
        prepare_process(threads=1, precision="tf32")
        prepare_process(threads=1, precision=precision)
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cudnn.allow_tf32, "torch allows it for convolutions unless it is told"


def test_denormal_numbers_are_zero():
    torch.set_flush_denormal(False)
    smallest = torch.tensor([torch.finfo(torch.float32).tiny])
    assert (smallest / 4 > 0).all()
    prepare_process(threads=1, precision="float32")
    assert (smallest / 4 == 0).all()


def test_a_system_without_glibc_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("ctypes.CDLL", None)  # would raise where it is called
    prepare_process(threads=1, precision="float32")


@pytest.mark.skipif(sys.platform != "linux", reason="another C library")
def test_a_c_library_without_the_setting_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    prepare_process(threads=1, precision="float32")


@pytest.mark.parametrize("deterministic", [True, False])
def test_deterministic_algorithms_are_a_setting(deterministic):
    prepare_process(threads=1, precision="float32", deterministic=deterministic)
    assert torch.are_deterministic_algorithms_enabled() is deterministic
    assert not deterministic or torch.is_deterministic_algorithms_warn_only_enabled()
    assert torch.empty(1000).isfinite().any(), "what is not initialised is not filled with nan"


def test_a_compiler_that_is_read_already_is_told_what_is_deterministic(monkeypatch):
    told = []
    monkeypatch.setattr("cl_bench.learner.process.is_compiler_read", lambda: True)
    monkeypatch.setattr(
        torch, "use_deterministic_algorithms", lambda *given, **more: told.append((given, more))
    )
    prepare_process(threads=1, precision="float32", deterministic=False)
    assert told == [((False,), {"warn_only": True})]


@pytest.mark.parametrize("read", [True, False])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_what_is_set_of_the_process_is_put_back(monkeypatch, read, level):
    monkeypatch.setattr("cl_bench.learner.process.is_compiler_read", lambda: read)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    torch.set_deterministic_debug_mode(level)
    torch.set_flush_denormal(level == 1)
    smallest = torch.tensor([torch.finfo(torch.float64).tiny], dtype=torch.float64)
    drawn = torch.get_rng_state()
    with process_restored():
        prepare_process(threads=2, precision="tf32", deterministic=level == 0)
        torch.rand(3)
        assert torch.get_num_threads() == 2
        assert torch.get_deterministic_debug_mode() == (1 if level == 0 else 0)
        assert smallest.div(2).item() == 0
    assert torch.get_deterministic_debug_mode() == level
    assert (smallest.div(2).item() == 0) == (level == 1)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
