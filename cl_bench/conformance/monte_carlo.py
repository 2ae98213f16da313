"""Do tests use as many weight samples as they say?"""

import math
import re
from typing import Any

import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor

from cl_bench.conformance.check import Failed, NotApplicable, applies, check, demand
from cl_bench.conformance.predictions import predictions
from cl_bench.conformance.repeatability import TWO_RUNS, testing_changes_nothing
from cl_bench.conformance.subject import SPLIT, Subject
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.posteriors.beliefs import Belief, BinaryWeights, in_double
from cl_bench.posteriors.prediction import log_probabilities

NUMBER = re.compile(r"(?=.*sample)(?=.*(test|eval|predict)).*")  # num_test_samples, eval_samples, ...
SAMPLES = 3
MOST_APART = 1.3  # how much more the weights of a test may vary than their posterior,
CHANCE = 4.0  # beside so many standard errors: few weights may have nearly all the variance
TOLERANCE = 1e-4  # of a log probability, and relative


@check(
    "does a test use as many different weight samples as it says?",
    cause="the mean in place of samples, one sample for all, a range that is off by one, a generator that is "
    "seeded anew in each test, weights that are not drawn from belief() (a variance in place of a deviation, "
    "a relaxation in place of signs), or an average of logits (averages)",
    rests_on=(*TWO_RUNS, testing_changes_nothing),
)
def a_test_uses_as_many_samples_as_it_says(subject: Subject) -> str:
    settings = subject.run(*SPLIT).config.strategy
    names = [str(name) for name in settings if NUMBER.fullmatch(str(name))]
    applies(bool(names), "it has no setting for samples in tests")
    say = f"strategy.{names[0]}={SAMPLES}"
    with global_generators_restored(0):
        run = subject.run(*SPLIT, say)
        run.train(0)
        passes = _Passes(run.strategy)
        run.strategy.plugins.insert(0, passes)
        first = predictions(run, run.stream.test[0])
        passes.stop()
        other = subject.run(*SPLIT, say, "seed_for.test=1")
        other.train(0)
        again = predictions(other, run.stream.test[0])
    applies(bool(passes.batches), "its tests do not call its network")
    for outputs, prediction in passes.batches:
        samples = _by_sample(outputs, prediction)
        number = len(samples)
        demand(
            number == SAMPLES, f"with {names[0]}={SAMPLES} an image goes {number} times through the network"
        )
        different = len({sample.cpu().numpy().tobytes() for sample in samples})
        demand(different == SAMPLES, f"of {SAMPLES} samples only {different} are different")
        _demand_an_average(subject, samples, prediction)
    demand(not torch.equal(first, again), "with another seed_for.test the samples are the same")
    for belief, drawn in passes.drawn:
        _demand_draws_of(belief, drawn)
    return f"{SAMPLES} different ones for each of {len(passes.batches)} batches, others with another seed"


def _by_sample(outputs: list[Tensor], prediction: Tensor) -> Tensor:
    """Return logits [S, B, K], however many samples go through the network at once."""
    joined = torch.cat(outputs)
    if joined.dim() != 2 or len(joined) % len(prediction):
        raise NotApplicable("the outputs of its samples in tests cannot be distinguished")
    return joined.unflatten(0, (-1, len(prediction)))


def _demand_an_average(subject: Subject, samples: Tensor, prediction: Tensor) -> None:
    by_sample = torch.stack([log_probabilities(sample) for sample in samples]).double()
    averages = {
        "probabilities": by_sample.logsumexp(0) - math.log(len(samples)),
        "logits": log_probabilities(samples.mean(0)).double(),
    }
    claim = subject.claims.averages
    if claim not in averages or _close(prediction, averages[claim]):
        return
    singles = {f"of sample {number} alone": each for number, each in enumerate(by_sample, 1)}
    others = {f"that averages {name}": each for name, each in averages.items()} | singles
    seen = next((words for words, each in others.items() if _close(prediction, each)), "another one")
    raise Failed(f"the prediction is not the average of {claim}, but {seen}")


def _demand_draws_of(belief: Belief, drawn: Tensor) -> None:
    """Demand that weights [S, P] look like draws of a posterior, where they are put into the network."""
    if bool((drawn == drawn[0]).all()):
        return
    if isinstance(belief, BinaryWeights):
        mean, variance = belief.natural.tanh(), 1 - belief.natural.tanh().square()
        of_squares = 4 * mean**2 * variance  # the variance of (w - mean)^2
        demand(bool((drawn.abs() == 1).all()), "weights of a test are not -1 and +1, as belief() says")
    else:
        mean, variance = belief.mean, belief.log_variance.exp()
        of_squares = 2 * variance**2
    ratio = float(((drawn - mean) ** 2).sum(dim=0).div(len(drawn)).sum() / variance.sum())
    error = float((of_squares.sum() / len(drawn)).sqrt() / variance.sum())
    demand(
        1 / MOST_APART - CHANCE * error < ratio < MOST_APART + CHANCE * error,
        f"weights of a test vary {ratio:.2g} times as much as belief() says",
    )


def _close(first: Tensor, second: Tensor) -> bool:
    return bool(torch.isclose(first.double(), second, rtol=TOLERANCE, atol=TOLERANCE).all())


class _Passes(SupervisedPlugin):
    """A plugin that notes what the network gave in each pass of a test batch, and what was predicted."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.batches: list[tuple[list[Tensor], Tensor]] = []
        self.drawn: list[tuple[Belief, Tensor]] = []  # the posterior, and weights in the network [S, P]
        self._outputs: list[Tensor] | None = None
        self._weights: list[Tensor] = []
        self._belief: Belief | None = None
        network = getattr(strategy, "network", strategy.model)

        def note(module: Any, inputs: Any, output: Any) -> None:
            if module is network and self._outputs is not None and isinstance(output, Tensor):
                self._outputs.append(output.detach().clone())
                if self._belief is not None:
                    size = len(self._belief[0])
                    self._weights.append(strategy.flat.values.detach()[:size].clone())

        self._handle = network.register_forward_hook(note)

    def before_eval_forward(self, strategy: Any, **kwargs: Any) -> None:
        self._outputs, self._weights = [], []
        belief = strategy.belief() if hasattr(strategy, "belief") else None
        self._belief = None if belief is None else in_double(belief)

    def after_eval_forward(self, strategy: Any, **kwargs: Any) -> None:
        if self._outputs:
            self.batches.append((self._outputs, strategy.mb_output.detach().clone()))
        if self._belief is not None and len(self._weights) > 1:
            self.drawn.append((self._belief, torch.stack(self._weights)))
        self._outputs, self._belief = None, None

    def stop(self) -> None:
        self._handle.remove()
