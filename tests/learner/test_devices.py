"""A name says which device is meant; one that is not there is an error before any work. No GPU is woken up
by what does not use it.
"""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from cl_bench.config.build import build_model
from cl_bench.conformance.subject import SPLIT
from cl_bench.learner.devices import as_device, device_named
from cl_bench.learner.seeds import Seeds, global_generators_restored, global_state, restore_global_state
from cl_bench.runner.checkpoint_fields import check_state
from cl_bench.runner.checkpoint_file import CheckpointError
from cl_bench.runner.run import _say_device
from cl_bench.strategies import Finetune
from cl_bench.testing import Subject


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("auto", "cuda"),
        ("cpu", "cpu"),
        ("cuda", "cuda"),
        ("gpu", "cuda"),
        ("cuda:1", "cuda:1"),
        ("gpu:0", "cuda:0"),
    ],
)
def test_a_name_means_a_device_where_there_are_gpus(name, device, two_gpus):
    assert device_named(name) == torch.device(device)


def test_auto_is_the_processor_where_there_is_none(no_gpu):
    assert device_named("auto") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "gpu", "cuda:0", "gpu:1"])
def test_a_gpu_where_there_is_none_is_an_error_that_says_what_to_do(name, no_gpu):
    with pytest.raises(
        ValueError, match=f"^training.device={name} needs a CUDA device and torch sees none; use"
    ):
        device_named(name, setting="training.device")


@pytest.mark.parametrize("name", ["cuda:2", "gpu:7"])
def test_a_gpu_beyond_the_last_is_an_error_that_names_those_there_are(name, two_gpus):
    with pytest.raises(ValueError, match=f"device={name} must be one of .* which are cuda:0 to cuda:1; use"):
        device_named(name)


def test_a_strategy_takes_a_name_or_a_device_of_torch(no_gpu, network, learner):
    assert Finetune(model=network, **learner | {"device": "auto"}).device == torch.device("cpu")
    assert as_device(torch.device("meta")) == torch.device("meta")
    with pytest.raises(ValueError, match="device=gpu needs a CUDA device and torch sees none"):
        Finetune(model=network, **learner | {"device": "gpu"})
    with pytest.raises(ValueError, match=r"device must be auto, cpu, cuda or gpu .*did you mean device=cuda"):
        Finetune(model=network, **learner | {"device": "CUDA"})


@pytest.fixture
def asleep(monkeypatch):
    """Eight GPUs that are not in use; to ask for their generators is to wake them up."""

    def wakes(*args, **kwargs):
        raise AssertionError("a GPU was woken up")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    for name in ("get_rng_state", "set_rng_state", "get_rng_state_all", "set_rng_state_all", "_lazy_init"):
        monkeypatch.setattr(torch.cuda, name, wakes)


def test_what_runs_on_the_processor_wakes_no_gpu_up(asleep, recwarn):
    run = Subject("finetune").run(*SPLIT)
    before = torch.get_rng_state()
    with global_generators_restored(0):
        torch.rand(1)
        restore_global_state(global_state())
        build_model(run.config, run.stream, Seeds(0))
    assert torch.get_rng_state().equal(before)
    assert not [each for each in recwarn if "CUDA" in str(each.message)]


def test_generators_of_more_gpus_than_there_are_here_are_left_out(monkeypatch):
    put = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, index: put.append((state, index)))
    restore_global_state(global_state() | {"cuda": ["first", "second"]})
    assert put == [("first", 0)]


@pytest.mark.parametrize(
    ("wanted", "warned"), [("gpu", False), ("cuda:1", False), ("auto", False), ("cpu", True)]
)
def test_a_run_that_was_finished_on_another_kind_of_device_is_told_of(wanted, warned, caplog):
    config = Subject("finetune").config(f"training.device={wanted}")
    _say_device(SimpleNamespace(config=config, path=Path("run")), {"hardware": {"device": "cuda:0"}})
    assert bool(caplog.records) is warned


def test_a_checkpoint_of_a_gpu_is_refused_on_a_processor_in_words():
    state = Subject("finetune").run(*SPLIT).strategy.state()
    of_a_gpu = {name: [torch.zeros(16, dtype=torch.uint8)] for name in state["generators"]}
    with pytest.raises(CheckpointError, match=r"on another kind of device.*written on a GPU"):
        check_state(state | {"generators": of_a_gpu}, like=state, after_task=0)
