"""Whoever calls a function of Python's finds the process as it was, in any order, with Hydra or without."""

import logging
import os
import random
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra import compose, initialize, version
from hydra.core.global_hydra import GlobalHydra

import cl_bench

SMALL = ["benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[8]"]


def state() -> dict[str, Any]:
    """All that a process shares, as values that can be compared."""
    root = logging.getLogger()
    return {
        "hydra": (GlobalHydra.instance().is_initialized(), id(GlobalHydra.instance())),
        "hydra's version base": version.getbase(),
        "generators": (
            torch.get_rng_state().tolist(),
            random.getstate(),
            np.random.get_state()[1].tolist(),  # type: ignore[index]
            np.random.get_state()[2],  # type: ignore[index]
        ),
        "warnings": list(warnings.filters),
        "determinism": torch.get_deterministic_debug_mode(),
        "filled": torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        "threads": torch.get_num_threads(),
        "denormal": float(np.float64(sys.float_info.min)) / 2,
        "precision": (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32),
        "gradients": torch.is_grad_enabled(),
        "type": torch.get_default_dtype(),
        "environment": {key: each for key, each in os.environ.items() if key != "PYTEST_CURRENT_TEST"},
        "arguments": (list(sys.argv), Path.cwd(), list(sys.path)),
        "logging": (list(root.handlers), root.level),
        "signals": [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)],
        "exit": os._exit,
    }


def changed(before: dict[str, Any]) -> dict[str, Any]:
    now = state()
    return {key: (value, now[key]) for key, value in before.items() if now[key] != value}


def use(name: str, folder: Any) -> None:
    """Call one of the functions."""
    stream = cl_bench.stream("split_digits", num_tasks=2)
    if name == "run":
        cl_bench.run([*SMALL, f"results_dir={folder}"])
    elif name == "sweep":
        cl_bench.sweep([*SMALL, f"results_dir={folder}", "strategy=finetune,ewc", "tuned=none"])
    elif name == "a run that is refused":
        with pytest.raises(ValueError, match="strength"):
            cl_bench.run([*SMALL, "strategy.strength=3"])
    elif name != "stream":
        strategy = cl_bench.strategy("ewc", stream, epochs=1, tuned=False)
        if name == "train":
            cl_bench.train(strategy, stream)
        elif name == "train into a folder":
            cl_bench.train(strategy, stream, folder=folder / "mine")


USES = ["stream", "strategy", "train", "train into a folder", "run", "sweep", "a run that is refused"]


@pytest.fixture
def before() -> dict[str, Any]:
    """The state at the start, of a process that set things of its own."""
    use("strategy", None)  # torch and Avalanche are read once
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)
    return state()


@pytest.mark.parametrize("name", USES)
def test_the_process_is_as_before(before, name, tmp_path):
    use(name, tmp_path)
    assert changed(before) == {}


def test_a_process_in_which_hydra_is_initialised_goes_on_with_it(tmp_path):
    (tmp_path / "theirs.yaml").write_text("a: 3\n")
    folder = os.path.relpath(tmp_path, Path(__file__).parent)
    with initialize(version_base="1.2", config_path=folder):
        before = state()
        for name in ("train", "sweep"):
            use(name, tmp_path)
            assert changed(before) == {}
        assert compose("theirs").a == 3


def test_what_was_set_otherwise_stays_so(tmp_path):
    use("strategy", None)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("medium")
    try:
        before = state()
        use("train", tmp_path)
        use("run", tmp_path)
        assert changed(before) == {}
    finally:
        torch.set_float32_matmul_precision("highest")
        torch.use_deterministic_algorithms(False)


def test_an_error_in_training_leaves_nothing_behind(before, tmp_path):
    stream = cl_bench.stream("split_digits", num_tasks=2)
    strategy = cl_bench.strategy("finetune", stream, optimizer="sgd", learning_rate=1e30, epochs=1)
    plugins = list(strategy.plugins)
    with pytest.raises(ArithmeticError, match="the training loss is"):
        cl_bench.train(strategy, stream)
    assert changed(before) == {}
    assert strategy.plugins == plugins


def test_functions_work_in_another_thread():
    """A notebook's widgets, or a server, call from another thread; signals are the main thread's."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            use("train", None)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert errors == []


def test_importing_cl_bench_reads_neither_torch_nor_hydra():
    heavy = ("torch", "hydra", "pandas")
    code = f"import sys, cl_bench; dir(cl_bench); print([each for each in {heavy} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
