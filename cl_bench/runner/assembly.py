"""What a run is made of: its data, stream and strategy, built as configured."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cl_bench.config.tuned import check_not_tuned_on, warning
from cl_bench.evaluation.terminal import busy
from cl_bench.runner.device_memory import with_advice
from cl_bench.runner.fingerprints import of_run
from cl_bench.runner.run_folder import RunFolder
from cl_bench.validation import check_threads

# Avalanche speaks of optional solvers and loggers, which nothing here uses; torch of the strides of stacked
# parameters, which lie in one matrix on purpose
NOISE = "no QP solver found|No loggers specified|grad and param do not obey"


class Parts(NamedTuple):
    """What a run, or several that are trained at once, is made of."""

    seeds: list[Any]  # a `Seeds` of each run
    stream: Any  # a TaskStream; of several runs a stacked one
    strategy: Any
    facts: dict[str, Any]  # for run.json
    foreign: list[Any]  # an `ImageData` of each of training.ood
    notes: list[str]  # what is to be known of data, network and settings
    benchmark: Any = None  # an Avalanche benchmark in place of the stream's; None: the stream's


def _of_the_root(root: str | None, source: str) -> list[str]:
    """Say that data were not read where somebody wanted them to be, since nothing is there."""
    if root is None or Path(root).exists():
        return []
    return [f"data.root={root} does not exist; the data come from elsewhere: {source}"]


@with_advice
def assemble(folders: Sequence[RunFolder], *, show_progress: bool) -> Parts:
    """Read the data and build stream and strategy.

    Raises:
        ValueError: for settings or data that do not fit, by name.
    """
    warnings.filterwarnings("ignore", message=NOISE)
    with busy("loading torch and Avalanche", hidden=not show_progress):
        from cl_bench.config.build import build_data, build_strategy, device_of, notes_of, stream_of
        from cl_bench.config.environment import hardware
        from cl_bench.config.foreign import build_foreign
        from cl_bench.evaluation.known_task import check_also_test
        from cl_bench.evaluation.own_statistics import check_batch_norm
        from cl_bench.learner.process import prepare_process
        from cl_bench.learner.seeds import Seeds
        from cl_bench.streams.stacked import stack_streams

    config = folders[0].config
    training = config.training
    check_threads(training.threads)
    device = device_of(training.device)  # before anything that takes time
    prepare_process(
        threads=training.threads,
        precision=training.precision,
        deterministic=training.get("deterministic", True),  # runs of before there was it are verified too
    )
    seeds = [Seeds(folder.config.seed, folder.config.seed_for) for folder in folders]
    with busy("reading the data", hidden=not show_progress):
        data = build_data(config)  # of every seed
    streams = [stream_of(folder.config, data, each) for folder, each in zip(folders, seeds, strict=True)]
    for folder, each in zip(folders, streams, strict=True):
        check_not_tuned_on(each.order, folder.config)
    also_test = list(training.get("also_test", ()))  # of runs of before there was it: none
    for each in streams:
        check_also_test(also_test, each.scenario)
    with busy("reading foreign data", hidden=not (show_progress and training.get("ood"))):
        foreign = build_foreign(config)
    alone = len(folders) == 1
    stream = streams[0] if alone else stack_streams(streams)
    strategy = build_strategy(config, stream, seeds[0] if alone else seeds)
    check_batch_norm(also_test, strategy.model)
    notes = [*_of_the_root(config.data.get("root"), data.source), *notes_of(stream, strategy)]
    if notes and hasattr(strategy, "notes"):
        strategy.notes = tuple(notes)  # said already
    facts = {
        "scenario": stream.scenario,
        "num_tasks": stream.num_tasks,
        "data_source": data.source,
        "notes": notes,
        "hardware": hardware(str(device)),
        **({"ood": [each.name for each in foreign]} if foreign else {}),
        **of_run(config, data),
    }
    if not alone:
        facts["trained_at_once_with_seeds"] = [folder.config.seed for folder in folders]
    return Parts(seeds, stream, strategy, facts, foreign, list(filter(None, [*notes, warning(config)])))
