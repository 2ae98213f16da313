"""Results folders as a run would leave them, without training. Loaded by path, since tests are no package."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from cl_bench.records.row_files import whole_file
from cl_bench.records.rows import Record


def write_run(
    results: Path,
    *,
    study: str = "study",
    benchmark: str = "permuted_mnist",
    strategy: str = "ewc",
    seed: int = 0,
    num_tasks: int = 3,
    run_hash: str = "ab12cd",
    settings: dict[str, Any] | None = None,
    accuracy: np.ndarray | None = None,
    last_task: int | None = None,
    test_last: int | None = None,
    test_all_at_end: bool = False,
    decay: float = 0.1,
    **about: Any,
) -> Path:
    """One run folder; `accuracy` is its matrix [1 + T, T], `last_task` is where it was killed;
    with `test_last` only the newest tasks are tested, and with `test_all_at_end` all after the last one.

    `about` overrides run.json; None removes a key.
    """
    if accuracy is None:
        accuracy = made_up_matrix(num_tasks, decay=decay, seed=seed)
    num_tasks = accuracy.shape[1]
    folder = results / study / f"{benchmark}-{strategy}-s{seed}-{run_hash}"
    folder.mkdir(parents=True)
    tests = [
        Record(seed, after, on, float(accuracy[after, on - 1]), 0.5, 100)
        for after in range(1 + (num_tasks if last_task is None else last_task))
        for on in range(1, 1 + num_tasks)
        if test_last is None or after - test_last < on <= after or (test_all_at_end and after == num_tasks)
    ]
    if test_last is not None:
        settings = {**(settings or {}), "training.test_last": test_last}
    if test_all_at_end:
        settings = {**(settings or {}), "training.test_all_at_end": True}
    (folder / "records.csv").write_bytes(whole_file(Record, tests))
    described = {
        "study": study,
        "benchmark": benchmark,
        "strategy": strategy,
        "seed": seed,
        "hash": run_hash,
        "status": "finished",
        "error": None,
        "scenario": "domain-incremental",
        "num_tasks": num_tasks,
        "settings": {"seed": seed, "training.epochs": 5, **(settings or {})},
        "wall_seconds": 1.5,
        "cpu_seconds": 1.0,
    } | about
    (folder / "run.json").write_text(
        json.dumps({k: v for k, v in described.items() if k == "error" or v is not None})
    )
    return folder


def made_up_matrix(num_tasks: int, *, decay: float, seed: int) -> np.ndarray:
    """[1 + T, T]: near chance until a task is learned, then 0.9 and exponential forgetting; with noise."""
    after, on = np.indices((1 + num_tasks, num_tasks))
    age = after - on - 1
    noise = 0.01 * np.random.default_rng([seed, num_tasks]).standard_normal(age.shape)
    return np.clip(np.where(age < 0, 0.1, 0.1 + 0.8 * np.exp(-decay * np.maximum(age, 0))) + noise, 0, 1)
