"""`cl_bench.train`: train a strategy on a stream, and test it after each task."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from omegaconf import DictConfig, open_dict

from cl_bench.analysis.frame import records_frame
from cl_bench.analysis.labels import with_methods
from cl_bench.analysis.results import Results
from cl_bench.config.checked import checked
from cl_bench.config.compose import one_seed_each, run_name
from cl_bench.config.environment import hardware
from cl_bench.config.tuned import check_not_tuned_on, warning
from cl_bench.evaluation.known_task import check_also_test
from cl_bench.evaluation.progress import Progress
from cl_bench.learner.seeds import Seeds, global_generators_restored
from cl_bench.python.anybodys import as_tasks, num_tasks_of
from cl_bench.python.composed import (
    OfStrategy,
    OfStream,
    Stream,
    as_in_a_run,
    benchmark_of,
    process_apart,
    seeds_of,
    shapes_of,
)
from cl_bench.python.given import part_of_strategy, part_of_tasks
from cl_bench.python.settings import composed, untuned
from cl_bench.python.strategies import OWN
from cl_bench.records.rows import Record, State
from cl_bench.records.runs import described
from cl_bench.runner.assembly import Parts
from cl_bench.runner.attempt import measured
from cl_bench.runner.fingerprints import of_run
from cl_bench.runner.given import run_given
from cl_bench.runner.run_folder import RunFolder, about_begun
from cl_bench.streams import TaskStream
from cl_bench.streams.stacked import stack_streams


def train(
    strategy: Any,
    stream: Any,
    *,
    test_on: str | None = None,
    test_last: int | None = None,
    name: str | None = None,
    seed: int | Sequence[int] | None = None,
    folder: str | PathLike[str] | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Train a strategy on one task after another, and test every task before the first and after each one.

    The strategy is trained itself: it predicts afterwards, by `strategy.predict(images, task)`, as it did in
    its tests: its network is in eval mode, and there is no gradient. Each call samples the same weights:
    those of the first of the newest tests with that head. It can be trained further. Nothing is written,
    unless a folder is given.

    Args:
        strategy: of `cl_bench.strategy`, one of your own, or any of Avalanche's.
        stream: of `cl_bench.stream`, a `TaskStream` of your own, or a benchmark of Avalanche's.
        test_on: `test`, or `validation`, which needs a stream with a validation_share. None: the strategy's
            setting, which is `test` by default.
        test_last: after each task test only the last so many tasks seen. None: the strategy's setting, which
            is all tasks by default.
        name: of the strategy in tables. None: its choice, or its class.
        seed: written into the rows for a strategy that does not know its own. None: 0, or 0, 1, ...
        folder: a folder of runs, in which each seed gets one, as of `cl-bench run`. `cl-bench report` reads
            it. A run that was killed resumes there, if all of it has a name in conf/.
        progress: whether a bar is shown, where standard error is a terminal.

    Returns:
        One row per record, with the columns of `cl_bench.analysis.load`.

    Raises:
        ValueError: for a strategy that has been trained, or that does not fit the stream; for a folder that
            has the run already.
        TypeError: for what is no strategy, or no stream.
        NonFiniteLossError: when a training loss is nan or infinite.
    """
    _check_strategy(strategy)
    config = _config(strategy, stream, name=name, seed=seed)
    with open_dict(config):
        config.training.test_on = config.training.test_on if test_on is None else test_on
        config.training.test_last = config.training.test_last if test_last is None else test_last
        if folder is not None:
            whole = Path(folder).expanduser().resolve()
            config.results_dir, config.study = str(whole.parent), whole.name
    checked(config)
    for setting in ("save", "probe_every") if folder is None else ():
        if config.training[setting]:
            raise ValueError(
                f"training.{setting} writes into the folder of a run, got {config.training[setting]}: give "
                "folder=..."
            )
    with process_apart():
        parts = _parts(strategy, stream, config)
    for note in parts.notes:
        warnings.warn(note, stacklevel=2)
    with as_in_a_run(config.training), _plugins_restored(strategy):
        if folder is None:
            frame = _in_memory(parts, config, show_progress=progress)
        else:
            frame = _in_folders(parts, config, show_progress=progress)
    strategy.put_to_use() if hasattr(strategy, "put_to_use") else strategy.model.eval()
    return frame


def _check_strategy(strategy: Any) -> None:
    """Check that it is a strategy, and untrained. Raises TypeError or ValueError."""
    if isinstance(strategy, type | str) or not all(
        hasattr(strategy, each) for each in ("train", "eval", "plugins", "clock")
    ):
        got = strategy.__name__ if isinstance(strategy, type) else type(strategy).__name__
        raise TypeError(
            "a strategy must be one of cl_bench.strategy, an instance of a Learner, or one of Avalanche's "
            f"SupervisedTemplate, got {'the class ' if isinstance(strategy, type) else 'a '}{got}"
        )
    trained = strategy.clock.train_exp_counter
    if trained:
        tasks = "a task" if trained == 1 else f"{trained} tasks"
        raise ValueError(
            f"this {type(strategy).__name__} has been trained on {tasks} already, and its results would not "
            "be those of the stream alone: build it anew, or train it on with strategy.train(experience)"
        )


def _config(strategy: Any, stream: Any, *, name: str | None, seed: int | Sequence[int] | None) -> DictConfig:
    """Return the configuration of this run: the strategy's, on this stream."""
    of_strategy: OfStrategy | None = getattr(strategy, "composed", None)
    of_stream = stream.composed if isinstance(stream, Stream) else None
    tasks = as_tasks(stream)
    if of_strategy is not None and of_strategy.shapes != shapes_of(tasks):
        raise ValueError(
            "the strategy was built for a stream of other shapes: its (input shape, classes, heads) are "
            f"{of_strategy.shapes}, those of this stream {shapes_of(tasks)}"
        )
    if of_strategy is not None and seed is not None:
        raise ValueError(
            f"the strategy has its seed already, {seeds_of(of_strategy.config)}: leave seed out, got {seed=}"
        )
    parts: dict[str, Any] = {}
    if of_stream is None:
        parts["benchmark"] = part_of_tasks(OWN, num_tasks_of(stream))
    if of_strategy is not None:
        config = of_strategy.config.copy()
        with open_dict(config):
            if of_stream is None or benchmark_of(config) != benchmark_of(of_stream.config):
                config.benchmark = parts.get("benchmark") or of_stream.config.benchmark  # type: ignore[union-attr]
                config.tuning.given = None
            config.strategy.name = name or config.strategy.name
        return config
    words = list(of_stream.words) if of_stream else []
    words += _words_of_seeds(strategy, of_stream, seed)
    parts |= dict(of_stream.parts) if of_stream else {}
    parts["strategy"] = part_of_strategy(strategy, {}, name=name)
    folders = of_stream.folders if of_stream else ()
    return composed([*words, *untuned(folders)], folders=folders, parts=parts)


def _words_of_seeds(strategy: Any, of_stream: OfStream | None, seed: int | Sequence[int] | None) -> list[str]:
    """Write the seeds of a strategy that cl_bench did not build."""
    number = getattr(strategy, "num_seeds", 1)
    stacked = bool(getattr(getattr(strategy, "stack", None), "shape", ()))
    known = of_stream.seeds if of_stream else []
    if seed is None:
        seeds = known if len(known) == number else list(range(number))
    else:
        seeds = [seed] if isinstance(seed, int) else list(seed)
    if len(seeds) != number:
        raise ValueError(f"seed must be one for each of {number} networks, got {seed}")
    words = [f"seeds={seeds}"] if stacked else [f"seed={seeds[0]}", "seeds=null"]
    order = of_stream.order_seed() if of_stream else None
    return words if order is None or seeds == [order] else [*words, f"seed_for.order={order}"]


def _parts(strategy: Any, stream: Any, config: DictConfig) -> Parts:
    """Return what the run is made of; the stream is stacked where the strategy's seeds are."""
    from cl_bench.config.build import notes_of  # with Avalanche
    from cl_bench.config.foreign import build_foreign

    of_stream = stream.composed if isinstance(stream, Stream) else None
    seeds = seeds_of(config)
    if not isinstance(stream, TaskStream):
        about: Any = SimpleNamespace(num_tasks=num_tasks_of(stream), scenario="")
        asked = [name for name in ("also_test", "ood", "probe_every") if config.training[name]]
        if asked:
            raise ValueError(f"training.{asked[0]} needs a stream of cl_bench, got a {type(stream).__name__}")
        own = Seeds(seeds[0], config.seed_for)
        return Parts([own], about, strategy, _facts(about, config, of_stream), [], [], benchmark=stream)
    for each in of_stream.streams if of_stream else ():
        check_not_tuned_on(each.order, config)
    whole: TaskStream = stream
    check_also_test(list(config.training.also_test), whole.scenario)
    if config.seeds is not None and not hasattr(stream.train[0], "parts"):
        whole = stack_streams([stream] * len(seeds))
    elif config.seeds is None and hasattr(stream.train[0], "parts"):
        raise ValueError(
            f"a stream of {len(stream.train[0].parts)} seeds needs a strategy of as many, got one of a "
            "single seed: build the strategy with cl_bench.strategy(..., stream)"
        )
    notes = notes_of(whole, strategy)
    if hasattr(strategy, "notes"):
        strategy.notes = tuple(notes)  # said already
    return Parts(
        [Seeds(seed, config.seed_for) for seed in seeds],
        whole,
        strategy,
        _facts(whole, config, of_stream) | {"notes": notes},
        build_foreign(config),
        list(filter(None, [*notes, warning(config).replace("tuned=none", "tuned=False")])),
    )


def _facts(stream: Any, config: DictConfig, of_stream: OfStream | None) -> dict[str, Any]:
    """Return what a run.json says of the stream, and of what computes on it."""
    facts: dict[str, Any] = {"scenario": stream.scenario, "num_tasks": stream.num_tasks}
    if config.seeds is not None:
        facts["trained_at_once_with_seeds"] = list(config.seeds)
    if of_stream is None:
        return facts
    of_code = of_run(config, of_stream.data, remembered=False)
    return facts | {"data_source": of_stream.data.source, **of_code}


@contextmanager
def _plugins_restored(strategy: Any) -> Iterator[None]:
    """Let the strategy have its own plugins alone afterwards, so that it is used as ever."""
    own, after_step = list(strategy.plugins), getattr(strategy, "after_step", None)
    try:
        yield
    finally:
        strategy.plugins[:] = own
        if hasattr(strategy, "after_step"):
            strategy.after_step = after_step


def _in_memory(parts: Parts, config: DictConfig, *, show_progress: bool) -> pd.DataFrame:
    """Train and test; the frame is all that is left."""
    label = run_name(config).rpartition("-")[0]
    bar = Progress(num_tasks=parts.stream.num_tasks, label=label, hidden=None if show_progress else True)
    parts.strategy.plugins.insert(0, bar)
    rows: list[Any] = []
    try:
        with global_generators_restored(parts.seeds[0]["noise"]):
            for measured_now in measured(parts, config.training, seeds=seeds_of(config)):
                rows += measured_now
                bar.measured(measured_now)
    finally:
        bar.close()
    runs = []
    for each in one_seed_each(config):
        about = about_begun(each) | parts.facts | {"status": "finished"}
        mine = [row for row in rows if row.seed == each.seed]
        runs.append(
            described(Path(run_name(each)), about)._replace(
                records=tuple(row for row in mine if isinstance(row, Record)),
                states=tuple(row for row in mine if isinstance(row, State)),
            )
        )
    return records_frame(with_methods(runs)[0])


def _in_folders(parts: Parts, config: DictConfig, *, show_progress: bool) -> pd.DataFrame:
    """Train and test into a folder for each seed."""
    with open_dict(config):
        config.resume = config.tuning.given is not None  # all of it has a name in conf/
    parts.facts["hardware"] = hardware(str(parts.strategy.device))
    folders = [RunFolder(each) for each in one_seed_each(config)]
    run_given(folders, parts, show_progress=show_progress)
    return Results.read(*(folder.path for folder in folders)).frame
