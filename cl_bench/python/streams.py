"""`cl_bench.stream`: a stream of tasks by the name of its choice."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from cl_bench.config.checked import checked
from cl_bench.config.compose import one_seed_each
from cl_bench.data import DataError, ImageData
from cl_bench.data.accepted import accepted
from cl_bench.learner.seeds import Seeds
from cl_bench.python.composed import OfStream, Stream, process_apart
from cl_bench.python.given import part_of_data
from cl_bench.python.settings import (
    Folders,
    composed,
    folders_of,
    name_of_choice,
    placed,
    untuned,
    word,
    words_of_seeds,
)
from cl_bench.streams.stacked import stack_streams

HOMES = ("benchmark", "benchmark.dataset")
ALSO = "data"  # where settings of all data sets stand


def stream(
    name: str,
    *,
    dataset: str | ImageData | None = None,
    seed: int | None = None,
    seeds: Sequence[int] | None = None,
    seed_for: Mapping[str, int] | None = None,
    config_dir: Folders = None,
    **settings: Any,
) -> Stream:
    """Build a stream of tasks, as `cl-bench run benchmark=NAME` does.

    Write `cl_bench.stream("split_mnist", num_tasks=5, scenario="task", seed=3)`. Each setting of the choice
    and of its data set is a keyword. A dotted name is given as in `**{"benchmark.dataset.root": "data"}`.

    Args:
        name: a choice of conf/benchmark, or of an installed package.
        dataset: a choice of conf/benchmark/dataset, or data of your own. None: the benchmark's.
        seed: of the order of the tasks, and of what else chance decides about them. None: 0.
        seeds: several seeds that are trained at once, in place of `seed`.
        seed_for: seeds for one purpose, such as `{"order": 3}`.
        config_dir: a folder of more YAML files, or several.

    Returns:
        A `cl_bench.streams.TaskStream`.

    Raises:
        ValueError: for a setting or a choice that is wrong, by name.
        cl_bench.data.DataError: for data that are missing, damaged, or not to be read in one way.
    """
    folders, words = folders_of(config_dir), [word("benchmark", name_of_choice("benchmark", name))]
    data: ImageData | None = None
    parts: dict[str, Any] = {}
    if isinstance(dataset, str):
        words.append(word("benchmark/dataset", dataset))
    elif dataset is not None:
        if not isinstance(dataset, ImageData):
            raise DataError(
                f"dataset must be the name of a choice or a cl_bench.data.ImageData, got a "
                f"{type(dataset).__name__}"
            )
        # any choice without required settings: the data that are given take its place
        words.append("benchmark/dataset=digits")
        data = _accepted(dataset)
        parts["benchmark.dataset"] = part_of_data(data)
    base = composed([*words, *untuned(folders)], folders=folders, parts=parts)
    for key, value in settings.items():
        words += placed(base, {key: value}, (ALSO,) if _of_all_data(key, base) else HOMES)
    words += words_of_seeds(base, seed=seed, seeds=seeds, seed_for=seed_for)
    config = checked(composed([*words, *untuned(folders)], folders=folders, parts=parts))
    with process_apart():
        return _built(words, folders, parts, config, data)


def _of_all_data(name: str, config: Any) -> bool:
    """Whether a setting is one of all data sets, and not of this benchmark or its data set."""
    here = (config.benchmark, config.benchmark.dataset)
    return name in config[ALSO] and not any(name in part for part in here)


def _accepted(data: ImageData) -> ImageData:
    tested = data.test_labels is not None and len(data.test_labels) > 0
    return accepted(data, by="the given data set", with_test=tested)


def _built(
    words: Sequence[str],
    folders: tuple[str, ...],
    parts: dict[str, Any],
    config: DictConfig,
    data: ImageData | None,
) -> Stream:
    """Build the stream of a configuration: of several seeds a stacked one."""
    from cl_bench.config.build import build_data, stream_of  # with Avalanche

    data = build_data(config) if data is None else data
    each_config = one_seed_each(config)
    streams = tuple(stream_of(each, data, Seeds(each.seed, each.seed_for)) for each in each_config)
    found = Stream(*(streams[0] if config.seeds is None else stack_streams(streams)))
    found.composed = OfStream(tuple(words), folders, parts, config, data, streams)
    return found
