"""The search for one strategy on one benchmark: its trials, its table, its file."""

import json
import math
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import yaml
from omegaconf import DictConfig

from cl_bench.config.checked import Checker, SettingError, checked
from cl_bench.config.compose import compose, plain
from cl_bench.config.given_settings import has, no_setting, with_overrides
from cl_bench.config.tuned import provenance
from cl_bench.records.identity import flatten, is_incidental
from cl_bench.tuning.document import settings_of, write_tuned
from cl_bench.tuning.samplers import TPE, sampler_of
from cl_bench.tuning.search import Score, best, play_off, search
from cl_bench.tuning.search_files import space_of
from cl_bench.tuning.space import Dimension, Trial, draw_trials
from cl_bench.tuning.tuning_streams import tuning_seeds

OURS = "tune."  # prefix of the search's own settings, conf/tune.yaml
BESIDES = ("ood", "also_test", "save")  # settings of training that a trial has no use for
PAIRS = ("strategy", "benchmark")  # each choice of the one with each of the other is a search of its own


class Request(NamedTuple):
    """A command line of `cl-bench tune`, taken apart."""

    command: str
    pairs: dict[str, list[str]]  # strategy, benchmark -> choices; empty where it is not given
    fixed: list[str]  # overrides of every run
    dimensions: dict[str, Dimension | None]  # dotted key -> what is searched; None: a fixed value
    tune: DictConfig  # conf/tune.yaml as set


def check(strategy: str, *, overrides: list[str], request: Request) -> None:
    """Check the settings of every trial of a search.

    Raises:
        SettingError: for the first setting that is wrong.
    """
    tried = [*overrides, *in_trials(compose(overrides), request.tune)]
    config = checked(compose(tried))
    if request.tune.short:
        checked(compose([*tried, *short_runs(request.tune)]))
    space = searched(strategy, overrides, request, config)
    _, trials = draw_trials(space, num_trials=request.tune.trials, seed=request.tune.sampler_seed)
    checker = Checker()
    for setting in trials[0]:
        if not setting.key.startswith("+") and not has(config, setting.key):
            raise SettingError(no_setting(config, setting.override, checker))
    for trial in trials:
        for problem in checker.problems(with_overrides(config, [setting.override for setting in trial])):
            raise SettingError(problem.message)


def tune_one(strategy: str, *, overrides: list[str], request: Request) -> str:
    """Search for one strategy on one benchmark; write its YAML and return what to show of it."""
    tune = request.tune
    reported = compose(overrides)
    path = Path(tune.folder or reported.results_dir) / "tuning" / f"{reported.tuning.pair}.yaml"
    check_same_benchmark(path, reported.benchmark.name)
    space = searched(strategy, overrides, request, reported)
    how, following = sampler_of(space, tune)
    first = following([], [])
    unseeded = [
        *overrides,
        f"study=tuning/{hidden(reported.tuning.pair)}",
        *in_trials(reported, tune),
    ]
    tuning = compose([*unseeded, *(setting.override for setting in first[0])])
    settings = flatten(plain(tuning))  # a setting that is missing is an error before anything is done
    tuning_streams = tuning_seeds(
        tuning=tuning,
        reported=reported,
        num_seeds=tune.num_seeds,
        first_seed=tune.first_seed,
        num_reported=tune.num_reported,
    )
    for seed, shared in tuning_streams.passed_over.items():
        print(f"tuning seed {seed} is passed over: a reported stream has its {shared}", file=sys.stderr)
    seeds = list(tuning_streams.streams)
    searching = partial(search, label=f"tuning {reported.tuning.pair}")
    trials, scores = searching(
        following,
        num_trials=tune.trials if how == TPE else len(first),
        unseeded=[*unseeded, *short_runs(tune)],
        seeds=seeds if tune.finalists is None else seeds[:1],
    )
    if tune.finalists is not None and (tune.short or seeds[1:]):
        scores = play_off(
            partial(searching, unseeded=unseeded),
            trials,
            scores,
            number=tune.finalists,
            seeds=seeds if tune.short else seeds[1:],
            anew=bool(tune.short),
        )
    chosen = best(scores)
    if chosen is None:
        raise ValueError(
            f"cannot choose settings: all {len(trials)} trials failed, the first with {scores[0].error}"
        )
    told_elsewhere = {"seed", *settings_of(trials[0])}
    about = {
        "command": request.command,
        "pair": reported.tuning.pair,
        "search": how,
        "budget": tune.trials,
        "sampler_seed": tune.sampler_seed,
        **({"at_once": tune.at_once} if how == TPE else {}),
        **({"finalists": tune.finalists} if tune.finalists is not None else {}),
        **({"short": plain(tune.short)} if tune.short else {}),
        "space": {each.key: each.text for each in space},
        "data_source": tuning_streams.data_source,
        "streams": tuning_streams.streams,
        "passed_over": tuning_streams.passed_over,
        "reported_seeds": f"0 to {tune.num_reported - 1}",
        "based_on": provenance(reported),
        "settings": {
            key: value
            for key, value in settings.items()
            if key not in told_elsewhere and not is_incidental(key)
        },
    }
    write_tuned(path, trials=trials, scores=scores, chosen=chosen, about=about)
    folder = shlex.quote(str(Path(tune.folder or reported.results_dir)))
    take_up = f"cl-bench run --config-dir {folder} {shlex.join(overrides)}"
    return f"{table(trials, scores, chosen)}\n\n{path}\ntake it up: {take_up}\n"


def check_same_benchmark(path: Path, name: str) -> None:
    """See that a search takes the place of none on other data: a file is named by its choice of benchmark.

    Raises:
        ValueError: where the file has that of another benchmark, such as another data set of the choice.
    """
    try:
        before = yaml.safe_load(path.read_text())["tuning"]["settings"]["benchmark.name"]
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        return  # none, or none that tells
    if before != name:
        raise ValueError(
            f"{path} has what was searched on {before}, and this search is on {name}: to keep both, give "
            "this one a folder of its own, tune.folder=...; or remove that file"
        )


def searched(strategy: str, overrides: list[str], request: Request, config: DictConfig) -> list[Dimension]:
    """List what is searched: of the files in conf/search, less what this network has no setting for."""
    space = space_of(strategy, overrides, request.dimensions)
    return [
        each
        for each in space
        if each.key in request.dimensions or not each.key.startswith("model.") or has(config, each.key)
    ]


def short_runs(tune: DictConfig) -> list[str]:
    """Return the overrides of the trials from which the finalists are chosen, see conf/tune.yaml."""
    return [f"{key}={json.dumps(value)}" for key, value in plain(tune.short).items()]


def in_trials(reported: DictConfig, tune: DictConfig) -> list[str]:
    """Return what every trial has in the place of the reported runs' settings.

    Validation images give the score. What is measured and saved besides is no part of it, and foreign data
    would be test images. The score is that of the end: before it only the newest task is tested.
    """
    at_end_alone = reported.training.test_last is None  # otherwise the score is of the last so many tasks
    return [
        "training.test_on=validation",
        f"benchmark.validation_share={tune.validation_share}",
        *(["benchmark.class_order=seeded"] if "class_order" in reported.benchmark else []),
        *(f"training.{name}=[]" for name in BESIDES),
        *(["training.test_last=1"] if at_end_alone else []),
        f"training.test_all_at_end={json.dumps(at_end_alone)}",
    ]


def hidden(pair: str) -> str:
    """Name the folder of a search's runs so that no report on the folders above it takes them for results."""
    benchmark, _, strategy = pair.rpartition("/")
    return f"{benchmark}/.{strategy}"


def table(trials: Sequence[Trial], scores: Sequence[Score], chosen: int) -> str:
    """One line per trial: the best first, then those tried on fewer streams, those that failed last."""
    failed_last = [
        (not score.final, math.inf if score.accuracy is None else -score.accuracy) for score in scores
    ]
    order = sorted(range(len(trials)), key=failed_last.__getitem__)
    has_short = any(score.short is not None for score in scores)
    lines = []
    for index in order:
        score = scores[index]
        told = score.error.partition(";")[0] if score.accuracy is None else f"{score.accuracy:.1%}"
        settings = " ".join(setting.override for setting in trials[index])
        if not score.final:
            told += " in short runs" if has_short else ""
            told += f" on {', '.join(map(str, score.by_seed))} alone"
        lines.append(f"{'*' if index == chosen else ' '} {settings}  {told}")
    return "\n".join(lines)
