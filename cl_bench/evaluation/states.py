"""What is measured of a strategy between tasks: how its posterior moved, what is frozen, what it stores."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from cl_bench.learner.seed_stack import template_of
from cl_bench.models.parameters import trainable
from cl_bench.posteriors import beliefs
from cl_bench.posteriors.beliefs import Belief
from cl_bench.records.rows import State


def stored_tensors(strategy: Any) -> dict[str, Tensor]:
    """All the strategy keeps between tasks, by name: its network and, for ours, posterior, importances and
    memory. With R stacked seeds each tensor has a leading axis.
    """
    network = _network(strategy)
    tensors = dict(network.state_dict())
    return tensors | strategy.state_tensors() if hasattr(strategy, "state_tensors") else tensors


def stored_bits(strategy: Any) -> int:
    """What one seed must store to continue, each number in the precision that it has in memory.

    Of a strategy that is not ours only the network is known.
    """
    elsewhere = strategy.kept_elsewhere_bits() if hasattr(strategy, "kept_elsewhere_bits") else 0
    return _bits(stored_tensors(strategy)) // (_num_seeds(strategy) or 1) + elsewhere


def deployed_bits(strategy: Any) -> int:
    """The network of one seed with one set of weights, such as the posterior's mean or mode: all that it
    takes to predict without sampling. A weight of -1 or +1 has one bit.
    """
    if not hasattr(strategy, "num_weights"):
        return _untrained_bits(strategy) + _bits(dict(_network(strategy).named_parameters()))
    trained = trainable(_network(strategy))
    bits_a_weight = 1 if strategy.binary else 8 * next(iter(trained.values())).element_size()
    return _untrained_bits(strategy) + strategy.num_weights * bits_a_weight


def predicting_bits(strategy: Any) -> int:
    """What one seed needs to predict as it is tested: a posterior where tests sample weights, or else the
    network with one set of weights, as `deployed_bits`.

    A binary network that is sampled needs a number a weight; one that is tested with its most probable
    weights needs a bit.
    """
    sampled_from = strategy.sampled_from() if hasattr(strategy, "sampled_from") else ()
    if not sampled_from:
        return deployed_bits(strategy)
    sampled = _bits(dict(enumerate(sampled_from)))
    return _untrained_bits(strategy) + sampled // (_num_seeds(strategy) or 1)


def _untrained_bits(strategy: Any) -> int:
    """The buffers and frozen parameters of one seed's network; a network that is not ours has none frozen."""
    network, num_seeds = _network(strategy), _num_seeds(strategy) or 1
    buffers = _bits(dict(network.named_buffers())) // num_seeds
    if not hasattr(strategy, "num_weights"):
        return buffers
    trained = trainable(network)
    frozen = {name: each for name, each in network.named_parameters() if name not in trained}
    return buffers + _bits(frozen) // num_seeds


class States:
    """Measures the `State` of each seed that a strategy trains, after each task."""

    def __init__(self, strategy: Any, seeds: Sequence[int]) -> None:
        self._strategy, self._seeds = strategy, seeds
        self._drift, self._flips = Drift(strategy), Flips(strategy)

    def go_on(self) -> None:
        """The strategy has resumed from where it stood after a task."""
        self._drift.after_task()
        self._flips.after_task()

    def after(
        self, after_task: int, *, seconds: float, num_steps: int, ood_auroc: Sequence[float]
    ) -> list[State]:
        """The state of each seed; to be called once a task, and with 0 before the first.

        Args:
            seconds: that the task's training took, of all seeds together.
            num_steps: that it took.
            ood_auroc: of each seed.
        """
        strategy, number = self._strategy, len(self._seeds)
        frozen = strategy.frozen_share() if hasattr(strategy, "frozen_share") else None
        by_seed = zip(
            self._seeds,
            self._drift.after_task() if after_task else [math.nan] * number,
            _by_seed(frozen, number),
            self._flips.after_task(),
            ood_auroc,
            strict=True,
        )
        common: dict[str, Any] = {
            "after_task": after_task,
            "stored_bits": stored_bits(strategy),
            "deployed_bits": deployed_bits(strategy),
            "training_seconds": seconds / number,
            "num_steps": num_steps,
            "gradient_evaluations": float(getattr(strategy, "gradient_evaluations", math.nan)),
            "predicting_bits": float(predicting_bits(strategy)),
        }
        return [
            State(seed=seed, drift=drift, frozen=share, flipped=flipped, ood_auroc=auroc, **common)
            for seed, drift, share, flipped, auroc in by_seed
        ]


class Drift:
    """KL(q_t || q_{t-1}) of a strategy's posterior, task after task; q_0 is the first prior.

    A weight that no task has moved has the first prior: where methods start their posterior is no belief. It
    keeps two copies of the posterior, which are ours and not the strategy's memory.
    """

    def __init__(self, strategy: Any) -> None:
        self._strategy = strategy
        self._start = _belief(strategy)
        self._before = None if self._start is None else beliefs.in_double(strategy.first_prior())

    def after_task(self) -> list[float]:
        """The drift of each seed, in nats; nan without a posterior."""
        if self._start is None or self._before is None:
            return _by_seed(None, _num_seeds(self._strategy))
        prior = beliefs.in_double(self._strategy.first_prior())
        now = beliefs.where_moved(beliefs.in_double(self._strategy.belief()), self._start, prior)
        drift = beliefs.divergence(now, self._before)
        self._before = now
        return _by_seed(drift, _num_seeds(self._strategy))


class Flips:
    """The share of a strategy's binary weights whose most probable value changes, task after task.

    The first task is compared with the weights at the start. It keeps a copy of the signs, a byte each, which
    is ours and not the strategy's memory.
    """

    def __init__(self, strategy: Any) -> None:
        self._strategy = strategy
        self._before = self._signs()

    def after_task(self) -> list[float]:
        """The share of each seed since the last call; nan where weights are real."""
        if self._before is None:
            return _by_seed(None, _num_seeds(self._strategy))
        before, self._before = self._before, self._signs()
        return _by_seed((self._before != before).double().mean(dim=-1), _num_seeds(self._strategy))

    def _signs(self) -> Any:
        binary = getattr(self._strategy, "binary", False) and hasattr(self._strategy, "flat")
        return self._strategy.flat.values.data > 0 if binary else None


def _belief(strategy: Any) -> Belief | None:
    belief = strategy.belief() if hasattr(strategy, "belief") else None
    return None if belief is None else beliefs.in_double(belief)


def _by_seed(values: Tensor | None, num_seeds: int) -> list[float]:
    if values is None:
        return [math.nan] * num_seeds
    return [math.nan if math.isnan(value) else value for value in values.reshape(-1).tolist()]


def _network(strategy: Any) -> Any:
    network = getattr(strategy, "network", strategy.model)
    return template_of(network)


def _num_seeds(strategy: Any) -> int:
    return getattr(strategy, "num_seeds", 1)


def _bits(tensors: dict[Any, Tensor]) -> int:
    return 8 * sum(tensor.nbytes for tensor in tensors.values())
