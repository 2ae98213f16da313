"""How a search chooses what it tries: a grid, settings at random, or by the scores so far."""

from collections.abc import Callable, Sequence

from omegaconf import DictConfig

from cl_bench.tuning.space import Dimension, Trial, draw_trials
from cl_bench.tuning.tpe import propose, require_optuna
from cl_bench.validation import check_choice, check_count

RANDOM, TPE = "random", "tpe"
SAMPLERS = (RANDOM, TPE)
# one trial of so many is drawn at random before the estimator proposes, as optuna's 10 of 30
STARTUP_SHARE = 3

# what was tried and the accuracies, None for a trial that diverged -> what to try next; nothing: the end
Next = Callable[[Sequence[Trial], Sequence[float | None]], list[Trial]]


def check_sampler(tune: DictConfig) -> None:
    """Check how a search is to choose.

    Raises:
        ValueError: for a sampler that does not exist or lacks its package, or a number that is none.
    """
    check_choice("tune.sampler", tune.sampler, SAMPLERS)
    check_count(at_once=tune.at_once)
    if tune.finalists is not None:
        check_count(finalists=tune.finalists)
    if tune.sampler == TPE:
        require_optuna()


def sampler_of(space: list[Dimension], tune: DictConfig) -> tuple[str, Next]:
    """Return how the space is searched, and what gives the next trials.

    A grid within the budget is tried whole, whatever the sampler.
    """
    how, drawn = draw_trials(space, num_trials=tune.trials, seed=tune.sampler_seed)
    if how == "grid" or tune.sampler == RANDOM:
        return how, lambda trials, accuracies: [] if trials else drawn

    def by_scores(trials: Sequence[Trial], accuracies: Sequence[float | None]) -> list[Trial]:
        return propose(
            space,
            trials,
            accuracies,
            number=min(tune.at_once, tune.trials - len(trials)),
            num_startup=-(-tune.trials // STARTUP_SHARE),
            seed=tune.sampler_seed,
        )

    return TPE, by_scores
