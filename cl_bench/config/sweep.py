"""The jobs of a command line, one or many, all checked before any of them starts.

Hydra composes a job from its choices (`strategy=ewc`) and then sets what else was given. So each combination
of choices is composed once, and each value is tried on it: 1,000 jobs take as many compositions as they have
combinations of choices.

A value that no combination takes is an error. A value that only some of them take leaves the others out: of
`strategy=ewc,finetune strategy.strength=1,10` the two jobs of `ewc` run.
"""

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig

from cl_bench.config.checked import Checker, SettingError
from cl_bench.config.compose import CONFIG_NAME, plain
from cl_bench.config.given_settings import has, no_setting, with_overrides
from cl_bench.config.run_rules import check_one_way_of_seeds

Combination = tuple[str, ...]  # of choices, each as an override


class LeftOut(NamedTuple):
    """Jobs that cannot run, because of their choices together with values of one setting."""

    where: dict[str, list[str]]  # setting or group -> values; a job is left out that has one of each
    why: str
    num_jobs: int


class Sweep(NamedTuple):
    """What a command line asks for."""

    run: list[list[str]]  # the overrides of each job
    left_out: list[LeftOut]

    @property
    def notes(self) -> list[str]:
        """Return a sentence for each reason for which jobs are left out."""
        total = len(self.run) + self.num_left_out
        return [f"left out: {each.why} ({each.num_jobs} of {total} combinations)" for each in self.left_out]

    @property
    def num_left_out(self) -> int:
        return sum(each.num_jobs for each in self.left_out)


class _Remembered(NamedTuple):
    key: tuple[str, ...]
    sweep: Sweep


ONE_FOLDER = ("experiment", "study", "results_dir")  # which say where a sweep's runs are written

_newest: list[_Remembered] = []  # of the command line that is at work: it is asked for more than once


def jobs(config: DictConfig) -> Sweep:
    """Find the jobs of a sweep from its own configuration, composed by Hydra with its part."""
    overrides = with_the_studys(config, config.hydra.overrides.task)
    hydra = [each for each in config.hydra.overrides.hydra if not each.startswith("hydra.mode=")]
    return find(GlobalHydra.instance().config_loader(), overrides, hydra)


def with_the_studys(config: DictConfig, given: Sequence[str]) -> list[str]:
    """Put the sweep of a study before what was given: `seeds=[...]` takes the place of its `seed`, too."""
    study: dict[str, Any] = dict(config.hydra.sweeper.params or {})
    names = (each.lstrip("+").partition("=") for each in given)
    if any(name == "seeds" and value != "null" for name, _, value in names):
        study.pop("seed", None)
    return [*(f"{key}={value}" for key, value in study.items()), *given]


def find(
    source: ConfigLoader,
    overrides: Sequence[str],
    hydra: Sequence[str] = (),
    *,
    anew: bool = False,
    composed: Mapping[Combination, DictConfig] | None = None,
) -> Sweep:
    """Find the jobs of these overrides, those of a study's own sweep first.

    Args:
        hydra: overrides of Hydra's own settings.
        anew: forget what was found for another command line.
        composed: combinations of choices that need not be composed again.

    Raises:
        SettingError: for a setting or a value that no job takes.
        HydraException: for a choice that does not exist.
    """
    key = (*overrides, "", *hydra)
    if anew:
        _newest.clear()
    if not _newest or _newest[0].key != key:
        _newest[:] = [_Remembered(key, _find(source, overrides, hydra, composed or {}))]
    return _newest[0].sweep


def values_of(source: ConfigLoader, overrides: Sequence[str]) -> dict[str, list[str]]:
    """Map each setting or group, with its + or ~, to its values as written; the last one given counts."""
    values: dict[str, list[str]] = {}
    for each in OverridesParser.create(config_loader=source).parse_overrides(list(overrides)):
        values[each.get_key_element()] = _values(each)
    return values


def _values(override: Override) -> list[str]:
    if override.is_discrete_sweep():
        return [str(value) for value in override.sweep_string_iterator()]
    if override.is_sweep_override():
        raise SettingError(f"a sweep needs values, as in a,b,c or range(0,5), got {override.input_line}")
    return [str(override.get_value_element_as_str())]


def _find(
    source: ConfigLoader,
    overrides: Sequence[str],
    hydra: Sequence[str],
    composed: Mapping[Combination, DictConfig],
) -> Sweep:
    given = values_of(source, overrides)
    chosen = {key for key in given if is_choice(source, key)}
    for key, values in given.items():
        if not values:
            raise SettingError(_matches_nothing(source, key, overrides))
        name = key.lstrip("+")
        if len(values) > 1 and name in ONE_FOLDER:
            raise SettingError(
                f"a sweep writes into one folder, so that it has one {name}, got {', '.join(values)}: start "
                "one for each"
            )
    written = {key: [f"{key}={value}" for value in values] for key, values in given.items()}
    for key in [key for key in given if key.startswith("~")]:
        written[key] = [key]
    groups = {key: written[key] for key in given if key in chosen or key.startswith("~")}
    settings = {key: written[key] for key in given if key not in groups}
    checker = Checker()
    refused: dict[Combination, dict[str, str]] = {}
    for combination in itertools.product(*groups.values()):
        config = composed.get(combination)
        if config is None:
            config = source.load_configuration(CONFIG_NAME, [*hydra, *combination], RunMode.RUN)
        refused[combination] = dict(_refused(config, settings, checker, seeds="seed" in settings))
    _check_each_has_a_job([*itertools.chain(*settings.values()), ""], refused)
    run = []
    for job in itertools.product(*written.values()):
        why = refused[tuple(each for each, key in zip(job, written, strict=True) if key in groups)]
        if not any(each in why for each in (*job, "")):
            run.append(list(job))
    if not run:
        raise SettingError(next(message for why in refused.values() for message in why.values()))
    return Sweep(run, list(_left_out(refused, groups, settings)))


def _matches_nothing(source: ConfigLoader, key: str, overrides: Sequence[str]) -> str:
    """Say that a glob of choices matches none, and which would."""
    (given, *_) = [each for each in overrides if each.startswith(f"{key}=")]
    group = key.lstrip("+").partition("@")[0]
    pattern = re.sub(r"^.*glob\(\[?([^,\])]*).*$", r"\1", given)
    near = [name for name in source.get_group_options(group) if pattern.strip("'\"*") in name]
    more = f"; did you mean {key}=glob(*{pattern.strip('*')}*)?" if near else f"; see cl-bench list {group}"
    return f"{given} matches no {group}{more}"


def is_choice(source: ConfigLoader, key: str) -> bool:
    """Whether the key of an override is a group's, as strategy or benchmark/dataset."""
    return bool(source.get_group_options(key.lstrip("+").partition("@")[0], results_filter=None))


def _refused(
    config: DictConfig, settings: Mapping[str, list[str]], checker: Checker, *, seeds: bool
) -> Iterator[tuple[str, str]]:
    """Yield the settings that this combination of choices does not take, and why.

    An empty text stands for the combination itself.
    """
    taken = {key: overrides for key, overrides in settings.items() if key.startswith("+") or has(config, key)}
    first = [overrides[0] for overrides in taken.values()]
    base = with_overrides(config, first)
    for each in itertools.chain(*(settings[key] for key in settings if key not in taken)):
        yield each, no_setting(base, each, checker)
    if seeds:
        check_one_way_of_seeds(base.seeds, settings["seed"])
    problems = list(checker.problems(base))
    for problem in problems:
        if not any(_touches(name, key.lstrip("+")) for name in problem.settings for key in taken):
            yield "", problem.message
    resolved = None if problems and not problems[0].settings else plain(base)
    for key, overrides in taken.items():
        for each in overrides:
            tried = problems
            if each not in first:
                quick = resolved and _with_value(resolved, each)
                tried = list(
                    checker.problems_of(quick) if quick else checker.problems(with_overrides(base, [each]))
                )
            message = next(
                (
                    one.message
                    for one in tried
                    if any(_touches(name, key.lstrip("+")) for name in one.settings)
                ),
                "",
            )
            if message:
                yield each, message


def _with_value(settings: dict[str, Any], override: str) -> dict[str, Any] | None:
    """Copy the settings with another value for one of them; None where it takes composing to tell."""
    parsed = OverridesParser.create().parse_override(override)
    value = parsed.value()
    *parents, last = parsed.key_or_group.split(".")
    if isinstance(value, dict) or "${" in override:
        return None
    changed = inner = dict(settings)
    for parent in parents:
        if not isinstance(inner.get(parent), dict):
            return None
        inner[parent] = dict(inner[parent])
        inner = inner[parent]
    if last not in inner:
        return None
    inner[last] = value
    return changed


def _touches(name: str, key: str) -> bool:
    """Whether a setting is the one of this key, or part of it: model={hidden: [3]} sets model.hidden."""
    return name == key or name.startswith(f"{key}.") or key.startswith((f"{name}.", f"{name}["))


def _check_each_has_a_job(overrides: Iterable[str], refused: Mapping[Combination, Mapping[str, str]]) -> None:
    """Refuse a value that no combination takes: it is a slip."""
    for each in overrides:
        if all(each in why for why in refused.values()):
            raise SettingError(next(iter(refused.values()))[each])


def _left_out(
    refused: Mapping[Combination, Mapping[str, str]],
    groups: Mapping[str, list[str]],
    settings: Mapping[str, list[str]],
) -> Iterator[LeftOut]:
    """Yield each job that is left out once, by its first reason."""
    for combination, why in refused.items():
        where = {
            key.lstrip("+"): [each.partition("=")[2]]
            for key, each in zip(groups, combination, strict=True)
            if len(groups[key]) > 1
        }
        others = {key: set(overrides) for key, overrides in settings.items()}
        called = " ".join(f"{key}={value}" for key, (value,) in where.items())
        if "" in why:
            yield LeftOut(where, _reason(called, why[""]), math.prod(map(len, others.values())))
            continue
        for key, overrides in settings.items():
            bad = [each for each in overrides if each in why]
            if not bad:
                continue
            num_jobs = len(bad) * math.prod(len(rest) for other, rest in others.items() if other != key)
            others[key] -= set(bad)
            values = {key.lstrip("+"): [each.partition("=")[2] for each in bad]}
            if not key.startswith("+") and "no setting" in why[bad[0]]:
                reason = f"{called} has no setting {key}"
            else:
                reason = _reason(called, why[bad[0]])
            if num_jobs:
                yield LeftOut({**where, **values}, reason, num_jobs)


def _reason(called: str, message: str) -> str:
    return message if called in message else f"{called}: {message}"
