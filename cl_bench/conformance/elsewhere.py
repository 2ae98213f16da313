"""What is run in another process; the questions about it are in processes.py."""

from typing import NamedTuple

import torch
from omegaconf import DictConfig

from cl_bench.conformance.subject import Run, build_run, data_of
from cl_bench.data import ImageData
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.learner.seeds import global_generators_restored


class Ends(NamedTuple):
    """How a run begins and ends."""

    start: list[str]  # a hash of all that the strategy keeps when it is built
    end: list[str]  # and at the end
    records: list[str]  # of each test; as texts, in which nan equals nan


class Job(NamedTuple):
    """A configuration, its data, the number of threads, and whether its algorithms must be repeatable."""

    config: DictConfig
    data: ImageData
    threads: int
    deterministic: bool


def alone(job: Job) -> Ends:
    """Return the ends of a run in a process where no other was."""
    _prepare(job)
    return ends_of(job.config)


def ends_of(config: DictConfig) -> Ends:
    """Return the ends of a run in this process."""
    with global_generators_restored(config.seed):
        return _ends(build_run(config))


def in_company(job: Job, other: DictConfig) -> Ends:
    """Return the ends of a run after one of the other configuration.

    Another run of that configuration is begun between building the run and training it.
    """
    _prepare(job)
    with global_generators_restored(other.seed):
        build_run(other).records()
    with global_generators_restored(job.config.seed):
        run = build_run(job.config)
        start = weights_sha256(run.strategy)
        with global_generators_restored(other.seed):
            build_run(other).train(0)
        return _ends(run, start)


def _ends(run: Run, start: list[str] | None = None) -> Ends:
    start = weights_sha256(run.strategy) if start is None else start
    records = [repr(record) for record in run.records()]
    return Ends(start, weights_sha256(run.strategy), records)


def _prepare(job: Job) -> None:
    torch.set_num_threads(job.threads)
    torch.use_deterministic_algorithms(job.deterministic, warn_only=True)
    data_of(job.config, known=job.data)
