"""One configuration in, one results folder out."""

import gc
import json
import logging
import os
import time
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from cl_bench.running.compose import config_hash, flatten, plain, run_folder

log = logging.getLogger(__name__)

RECORDS, PREVIOUS, SUMMARY, CONFIG = "records.csv", "records.previous.csv", "run.json", "config.yaml"


def execute(config: DictConfig, *, show_progress: bool = True) -> Path:
    """Train and test as configured; write every record as it is measured. Returns the run's folder.

    The folder holds config.yaml (the resolved configuration), records.csv and run.json (status, settings,
    versions, hardware, seconds, a hash of the final weights). A finished run is left as it is, unless
    `resume` is false; one that failed or was killed is run again from the start, and its records stay in
    records.previous.csv until the new ones are complete.
    """
    folder = run_folder(config)
    if config.resume and _is_finished(folder):
        os.utime(folder / SUMMARY)
        log.info("%s is finished already", folder)
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    _keep_records(folder)
    about = _about(config)
    _write(folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create(plain(config))))
    _write_summary(folder, about)
    started, cpu_started = time.perf_counter(), time.process_time()

    def close(**outcome: Any) -> None:
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu_started
        seconds = {"wall_seconds": round(wall, 3), "cpu_seconds": round(cpu, 3)}
        _write_summary(folder, about | outcome | seconds | {"finished": _now()})

    try:
        close(**_train_and_test(config, folder, about, show_progress=show_progress), status="finished")
    except BaseException as error:
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{error}"
        log.info("the run failed", exc_info=error)
        with suppress(OSError):  # a full disk, most likely: the first error is the one to show
            close(status="failed", error=f"{type(error).__name__}: {reason}")
        raise
    finally:
        gc.collect()  # Avalanche's strategies are reference cycles; a sweep's worker goes on to the next run
    (folder / PREVIOUS).unlink(missing_ok=True)
    return folder


def _keep_records(folder: Path) -> None:
    """Put the records of an earlier try aside; of several tries, those of the longest stay."""
    records, previous = folder / RECORDS, folder / PREVIOUS
    if records.exists():
        if previous.exists() and previous.stat().st_size > records.stat().st_size:
            records.unlink()
        else:
            records.replace(previous)


def _train_and_test(
    config: DictConfig, folder: Path, about: dict[str, Any], *, show_progress: bool
) -> dict[str, Any]:
    import torch

    # Avalanche speaks of optional solvers and loggers, which nothing here uses
    warnings.filterwarnings("ignore", message="no QP solver found|No loggers specified")
    from cl_bench import records
    from cl_bench.running.build import build_strategy, build_stream, device_of
    from cl_bench.running.environment import hardware
    from cl_bench.strategies.learner import check_count
    from cl_bench.streams.benchmark import to_avalanche
    from cl_bench.training.experiment import experiment, weights_sha256
    from cl_bench.training.generators import Seeds, global_generators_restored
    from cl_bench.training.plugins import Progress

    check_count(threads=config.training.threads)
    torch.set_num_threads(config.training.threads)
    torch.set_flush_denormal(True)  # sharp relaxations are full of denormal numbers, which are slow
    seeds = Seeds(config.seed, config.seed_for)
    stream, data_source = build_stream(config, seeds)
    strategy = build_strategy(config, stream, seeds)
    about |= {
        "scenario": stream.scenario,
        "num_tasks": stream.num_tasks,
        "data_source": data_source,
        "hardware": hardware(str(device_of(config.training.device))),
    }
    _write_summary(folder, about)
    progress = Progress(
        num_tasks=stream.num_tasks,
        label=folder.name.rpartition("-")[0],
        disable=None if show_progress else True,
    )
    strategy.plugins.insert(0, progress)
    try:
        with global_generators_restored(seeds["noise"]):
            for record in experiment(
                strategy, to_avalanche(stream), seed=config.seed, test_on=config.training.test_on
            ):
                records.append(folder / RECORDS, record)
    finally:
        progress.close()
    return {"weights_sha256": weights_sha256(strategy)}


def _about(config: DictConfig) -> dict[str, Any]:
    from cl_bench.running.environment import versions

    return {
        "study": config.study,
        "benchmark": config.benchmark.name,
        "strategy": config.strategy.name,
        "seed": config.seed,
        "hash": config_hash(config),
        "status": "running",
        "error": None,
        "settings": flatten(plain(config)),
        "versions": versions(),
        "started": _now(),
    }


def _is_finished(folder: Path) -> bool:
    try:
        return json.loads((folder / SUMMARY).read_text())["status"] == "finished"
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write_summary(folder: Path, about: dict[str, Any]) -> None:
    _write(folder / SUMMARY, json.dumps(about, indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
