"""`cl-bench tune`: the command line of the search."""

import itertools
import math
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from cl_bench.places import conf_folder, expanded
from cl_bench.running.assembly import NOISE
from cl_bench.running.checked import Checker, SettingError, checked
from cl_bench.running.compose import compose, flatten, plain
from cl_bench.running.main import status_of
from cl_bench.running.sweep import has, no_setting, with_overrides
from cl_bench.running.tuned import provenance
from cl_bench.running.words import override, quoted
from cl_bench.settings import is_incidental
from cl_bench.tuning.document import settings_of, write_tuned
from cl_bench.tuning.search import Score, best, search
from cl_bench.tuning.search_files import space_of
from cl_bench.tuning.seeds import tuning_seeds
from cl_bench.tuning.space import Dimension, Trial, dimension_of, draw_trials
from cl_bench.validation import check_count, check_seed, check_share

OURS = "tune."  # prefix of the search's own settings, conf/tune.yaml
PAIRS = ("strategy", "benchmark")  # each choice of the one with each of the other is a search of its own
NOT_THEIRS = {  # what the search sets itself, and what sets it
    "seed": "tune.first_seed",
    "seeds": "tune.first_seed and tune.num_seeds",
    "study": "tune.folder",
    "training.test_on": "nothing: only validation images are scored",
    "benchmark.validation_share": "tune.validation_share",
}


class Request(NamedTuple):
    """A command line, taken apart."""

    command: str
    pairs: dict[str, list[str]]  # strategy, benchmark -> choices; empty where it is not given
    fixed: list[str]  # overrides of every run
    dimensions: dict[str, Dimension | None]  # dotted key -> what is searched; None: a fixed value
    tune: DictConfig  # conf/tune.yaml as set


def main(arguments: Sequence[str]) -> int:
    """Search and write; the exit status."""
    warnings.filterwarnings("ignore", message=NOISE)
    return status_of(lambda: _tune(arguments))


def _tune(arguments: Sequence[str]) -> None:
    request = read(arguments)
    benchmarks = [f"benchmark={each}" for each in request.pairs["benchmark"]]
    pairs = [
        (strategy, [*request.fixed, f"strategy={strategy}", *filter(None, [benchmark])])
        for strategy, benchmark in itertools.product(request.pairs["strategy"], benchmarks or [""])
    ]
    for strategy, overrides in pairs:  # all of them before the first search
        check(strategy, overrides=overrides, request=request)
    for strategy, overrides in pairs:
        print(tune_one(strategy, overrides=overrides, request=request), flush=True)


def check(strategy: str, *, overrides: list[str], request: Request) -> None:
    """Check the settings of every trial of a search.

    Raises:
        SettingError: for the first setting that is wrong.
    """
    config = checked(compose(overrides))
    space = space_of(strategy, overrides, request.dimensions)
    _, trials = draw_trials(space, num_trials=request.tune.trials, seed=request.tune.sampler_seed)
    checker = Checker()
    for setting in trials[0]:
        if not setting.key.startswith("+") and not has(config, setting.key):
            raise SettingError(no_setting(config, setting.override, checker))
    for trial in trials:
        for problem in checker.problems(with_overrides(config, [setting.override for setting in trial])):
            raise SettingError(problem.message)


def read(arguments: Sequence[str]) -> Request:
    """Take the command line apart.

    Raises:
        ValueError: for a setting that is not the caller's, or none of the search's.
    """
    tune = OmegaConf.load(conf_folder() / "tune.yaml")
    assert isinstance(tune, DictConfig)
    pairs: dict[str, list[str]] = {name: [] for name in PAIRS}
    fixed, dimensions = [], {}
    for given in _overrides(arguments):
        key, written = given.get_key_element().lstrip("+~"), str(given.input_line)
        if key in NOT_THEIRS:
            raise ValueError(f"{key} is the search's own, got {written}; it is set by {NOT_THEIRS[key]}")
        if key.startswith(OURS):
            name = key.removeprefix(OURS)
            if name not in tune:
                raise ValueError(
                    f"there is no setting {key}; there are tune.{', tune.'.join(map(str, tune))}"
                )
            tune[name] = given.value()
        elif key in PAIRS:
            pairs[key] = (
                [*map(str, given.sweep_string_iterator())]
                if given.is_sweep_override()
                else [str(given.value())]
            )
        else:
            dimensions[key] = dimension_of(given)
            if dimensions[key] is None:
                fixed.append(written)
    if not pairs["strategy"]:
        raise ValueError("a search needs strategy=..., got none; see cl-bench tune --help")
    check_count(trials=tune.trials, num_seeds=tune.num_seeds, num_reported=tune.num_reported)
    check_share(validation_share=tune.validation_share)
    check_seed("tune.first_seed", tune.first_seed)
    check_seed("tune.sampler_seed", tune.sampler_seed)
    return Request(f"cl-bench tune {shlex.join(arguments)}", pairs, fixed, dimensions, tune)


def _overrides(arguments: Sequence[str]) -> list[Override]:
    """Parsed, --config-dir as Hydra's setting for it."""
    left, found = list(arguments), []
    while left:
        argument = left.pop(0)
        if argument in ("--config-dir", "-cd") and left:
            argument = f"--config-dir={left.pop(0)}"
        if argument.startswith("--config-dir="):
            folder = Path(expanded(argument.partition("=")[2])).resolve()
            argument = f"hydra.searchpath=[{quoted(f'file://{folder}')}]"
        elif argument.startswith("-"):
            raise ValueError(f"cl-bench tune takes settings and --config-dir, got {argument}")
        elif "=" not in argument and not argument.startswith("~"):
            raise ValueError(f"cl-bench tune takes settings as name=value, got {argument}")
        else:
            argument = override(argument, several=True)
        found.append(argument)
    return OverridesParser.create().parse_overrides(found)


def tune_one(strategy: str, *, overrides: list[str], request: Request) -> str:
    """One search, of one strategy on one benchmark; writes its YAML and returns what to show of it."""
    tune = request.tune
    reported = compose(overrides)
    space = space_of(strategy, overrides, request.dimensions)
    how, trials = draw_trials(space, num_trials=tune.trials, seed=tune.sampler_seed)
    unseeded = [
        *overrides,
        f"study=tuning/{hidden(reported.tuning.pair)}",
        "training.test_on=validation",
        f"benchmark.validation_share={tune.validation_share}",
        *(["benchmark.class_order=seeded"] if "class_order" in reported.benchmark else []),
    ]
    tuning = compose([*unseeded, *(setting.override for setting in trials[0])])
    settings = flatten(plain(tuning))  # a setting that is missing is an error before anything is done
    found = tuning_seeds(
        tuning=tuning,
        reported=reported,
        num_seeds=tune.num_seeds,
        first_seed=tune.first_seed,
        num_reported=tune.num_reported,
    )
    for seed, shared in found.passed_over.items():
        print(f"tuning seed {seed} is passed over: a reported stream has its {shared}", file=sys.stderr)
    seeds = ",".join(map(str, found.streams))
    scores = search(
        trials,
        overrides=[*unseeded, f"seeds=[{seeds}]"],
        num_seeds=len(found.streams),
        label=f"tuning {reported.tuning.pair}",
    )
    chosen = best(scores)
    if chosen is None:
        raise ValueError(
            f"a search needs a trial that does not fail, got {len(trials)} with {scores[0].error}"
        )
    told_elsewhere = {"seed", *settings_of(trials[0])}
    about = {
        "command": request.command,
        "pair": reported.tuning.pair,
        "search": how,
        "budget": tune.trials,
        "sampler_seed": tune.sampler_seed,
        "space": {each.key: each.text for each in space},
        "data_source": found.data_source,
        "streams": found.streams,
        "passed_over": found.passed_over,
        "reported_seeds": f"0 to {tune.num_reported - 1}",
        "based_on": provenance(reported),
        "settings": {
            key: value
            for key, value in settings.items()
            if key not in told_elsewhere and not is_incidental(key)
        },
    }
    folder = Path(tune.folder or reported.results_dir)
    path = folder / "tuning" / f"{reported.tuning.pair}.yaml"
    write_tuned(path, trials=trials, scores=scores, chosen=chosen, about=about)
    take_up = f"cl-bench run --config-dir {shlex.quote(str(folder))} {shlex.join(overrides)}"
    return f"{table(trials, scores, chosen)}\n\n{path}\ntake it up: {take_up}\n"


def hidden(pair: str) -> str:
    """The folder of a search's runs: no report on the folders above it takes them for results."""
    benchmark, _, strategy = pair.rpartition("/")
    return f"{benchmark}/.{strategy}"


def table(trials: Sequence[Trial], scores: Sequence[Score], chosen: int) -> str:
    """A line a trial, the best first, those that failed last."""
    failed_last = [math.inf if score.accuracy is None else -score.accuracy for score in scores]
    order = sorted(range(len(trials)), key=failed_last.__getitem__)
    lines = []
    for index in order:
        score = scores[index]
        told = score.error.partition(";")[0] if score.accuracy is None else f"{score.accuracy:.1%}"
        settings = " ".join(f"{key}={value}" for key, value in settings_of(trials[index]).items())
        lines.append(f"{'*' if index == chosen else ' '} {settings}  {told}")
    return "\n".join(lines)
