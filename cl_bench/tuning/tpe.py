"""Trials proposed from the scores so far: the tree-structured Parzen estimator of the package optuna."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from cl_bench.tuning.space import Choices, Dimension, Setting, Trial

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

DIVERGED = 0.0  # the accuracy that a trial is told with that has none: it lost, and its place is avoided
MOST_ASKED = 50  # proposals, for one that was not tried yet


def require_optuna() -> ModuleType:
    """Import the package optuna, an extra.

    Raises:
        ValueError: where it is not installed; it says how to install it.
    """
    try:
        import optuna
    except ImportError as error:
        raise ValueError(
            f"tune.sampler=tpe needs the package optuna, which cannot be imported ({error}): install it with "
            "`pip install optuna`, or use tune.sampler=random"
        ) from error
    return optuna


def propose(
    space: Sequence[Dimension],
    trials: Sequence[Trial],
    accuracies: Sequence[float | None],
    *,
    number: int,
    num_startup: int,
    seed: int,
) -> list[Trial]:
    """Propose settings that were not tried yet, by what was tried: the same for the same arguments.

    Fewer are returned where the space has no more. Source: Bergstra et al. 2011, section 4. The form is
    optuna's multivariate one.

    Args:
        accuracies: of the trials, fractions; None for one that diverged.
        number: how many settings are proposed at once.
        num_startup: how many trials are drawn at random before the estimator proposes.
    """
    optuna = require_optuna()
    distributions = {each.key: _distribution(each) for each in space}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=seed + len(trials),  # other numbers than before, where it begins again with more trials
            n_startup_trials=num_startup,
            multivariate=True,
            constant_liar=True,  # those that are proposed together keep apart
        )
    study = _quiet(optuna, sampler)
    for trial, accuracy in zip(trials, accuracies, strict=True):
        study.add_trial(
            optuna.trial.create_trial(
                params=_as_told(space, trial),
                distributions=distributions,
                value=DIVERGED if accuracy is None else accuracy,
            )
        )
    found: list[Trial] = []
    for _ in range(MOST_ASKED):
        if len(found) == number:
            break
        asked = study.ask(distributions).params
        trial = tuple(_setting(each, asked[each.key]) for each in space)
        if trial not in [*trials, *found]:
            found.append(trial)
    return found


def _quiet(optuna: Any, sampler: Any) -> Any:
    """Return a new study in memory, without optuna's log."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(direction="maximize", sampler=sampler)
    finally:
        optuna.logging.set_verbosity(level)


def _distribution(dimension: Dimension) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, Choices):
        return CategoricalDistribution(range(len(dimension.values)))
    if dimension.whole:
        return IntDistribution(int(dimension.start), int(dimension.end) - 1, log=dimension.log)
    return FloatDistribution(dimension.start, dimension.end, log=dimension.log)


def _setting(dimension: Dimension, proposed: Any) -> Setting:
    if isinstance(dimension, Choices):
        return dimension.pick(proposed)
    return dimension.setting(proposed)


def _as_told(space: Sequence[Dimension], trial: Trial) -> dict[str, Any]:
    """Return a trial's values as their distributions have them: rounding may have left the interval."""
    told: dict[str, Any] = {}
    for dimension, setting in zip(space, trial, strict=True):
        if isinstance(dimension, Choices):
            told[dimension.key] = dimension.written.index(setting.written)
        else:
            told[dimension.key] = min(max(setting.value, dimension.start), dimension.end)
    return told
