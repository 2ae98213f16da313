"""A model whose posterior is known exactly, after any number of tasks.

Every image lights one pixel, x, and so speaks of one weight, w. For Gaussian weights the loss of an example
is (w x - y)^2 / 2, y = -1 or +1. The exact posterior then has precision 1 / v_0 + sum x^2 and mean
(m_0 / v_0 + sum x y) / precision. For weights of -1 and +1 the loss is the cross-entropy of logits
(-w x, w x), and the exact posterior has lambda = lambda_0 + sum x y. The sums are over the examples of all
tasks. Copies of few weights, and the last half of the steps, take the noise out.
"""

from typing import Any

import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor, nn

from cl_bench.conformance.subject import PERMUTED, Subject
from cl_bench.posteriors.beliefs import Belief
from cl_bench.posteriors.gaussian import Gaussian
from cl_bench.streams.tasks import Scaling, SharedImages, TaskData, TaskStream
from cl_bench.streams.transforms import identity

NUM_COPIES = 150
SIGNED_PIXELS = (torch.tensor([40, 20, -10, -50]), torch.tensor([-20, 30, -30, 20]))  # 100 x y, by task
# how often each image comes in a task: what is divided by the number of another task, or of a batch, is off
TIMES = (1, 2)
NUM_WEIGHTS = NUM_COPIES * len(SIGNED_PIXELS[0])
# how far from the exact posterior it may be: lambda, means, and relative, variances
OF_NATURAL, OF_MEAN, OF_VARIANCE = 0.04, 0.02, 0.04


class OneWeightEach(nn.Module):
    """Logits (-f, f) of f = w . x."""

    def __init__(self, num_weights: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_weights, 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        f = self.linear(images.flatten(1))
        return torch.cat([-f, f], dim=1)


def one_weight_each(**settings: Any) -> nn.Module:
    """Build the network that stands in the place of one of cl_bench.models; the settings are not used."""
    return OneWeightEach(NUM_WEIGHTS)


def _task(signed: Tensor, times: int) -> TaskData:
    place = torch.arange(NUM_WEIGHTS)
    images = torch.zeros(NUM_WEIGHTS, 1, 1, NUM_WEIGHTS, dtype=torch.uint8)
    images[place, 0, 0, place] = signed.abs().repeat(NUM_COPIES).to(torch.uint8)
    images = images.repeat(times, 1, 1, 1)
    labels = (signed > 0).long().repeat(NUM_COPIES * times)
    scaling = Scaling(torch.full((1, 1, 1), 1 / 100), torch.zeros(1, 1, 1))
    return TaskData(SharedImages(images), None, labels, head=0, view=identity, to_float=scaling)


def _stream(_: TaskStream) -> TaskStream:
    tasks = tuple(_task(*each) for each in zip(SIGNED_PIXELS, TIMES, strict=True))
    return TaskStream(
        train=tasks,
        validation=(),
        test=tasks,
        scenario="domain",
        input_shape=(1, 1, NUM_WEIGHTS),
        num_classes=2,
        num_heads=1,
    )


class _Squared:
    """Half the squared error, in the place of the cross-entropy."""

    def by_example(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return (outputs[:, 1] - (2 * labels - 1)) ** 2 / 2

    def __call__(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return self.by_example(outputs, labels).mean()


class _Beliefs(SupervisedPlugin):
    """The posterior after every step of a task."""

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.seen: list[tuple[Tensor, ...]] = []

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.seen.append(tuple(part.detach().clone() for part in strategy.belief()))

    def settled(self) -> list[Tensor]:
        """Return each part of the posterior in the last half of the steps, [steps, kinds, copies]."""
        late = self.seen[len(self.seen) // 2 :]
        return [torch.stack(part).view(len(late), NUM_COPIES, -1).cpu() for part in zip(*late, strict=True)]


def largest_error(subject: Subject) -> tuple[float, float]:
    """Return how far the posterior is from the exact one, and how far it may be, where it is worst.

    The posteriors after the first task and after the second are compared.
    """
    settings = [
        f"{name}={'null' if value is None else value}" for name, value in subject.claims.conjugate.items()
    ]
    here = f"{__name__}.{one_weight_each.__name__}"
    run = subject.run(
        *(*PERMUTED, f"model._target_={here}", f"training.batch_size={NUM_WEIGHTS}", *settings),
        change=_stream,
    )
    strategy = run.strategy
    prior = strategy.first_prior()
    if isinstance(prior, Gaussian):
        strategy._criterion = _Squared()
    beliefs = _Beliefs()
    strategy.plugins.insert(0, beliefs)
    errors: list[tuple[float, float]] = []
    prior = prior._make(part.cpu() for part in prior)
    for task in range(len(SIGNED_PIXELS)):
        run.train(task)
        errors += _errors(prior, beliefs.settled(), num_tasks=task + 1)
    return max(errors, key=lambda each: each[0] / each[1])


def _errors(prior: Belief, late: list[Tensor], *, num_tasks: int) -> list[tuple[float, float]]:
    """Return each error with its bound."""
    x = torch.stack(SIGNED_PIXELS[:num_tasks]) / 100  # with the sign of y: x y
    times = torch.tensor(TIMES[:num_tasks])[:, None]
    kinds = x.shape[1]
    if not isinstance(prior, Gaussian):
        mean_of_steps, expected = late[0].mean(dim=(0, 1)), prior.natural[:kinds] + (times * x).sum(dim=0)
        return [(float((mean_of_steps - expected).abs().max()), OF_NATURAL)]
    before = prior.log_variance[:kinds].neg().exp()
    precision = before + (times * x**2).sum(dim=0)
    mean = (before * prior.mean[:kinds] + (times * x).sum(dim=0)) / precision
    variance = late[1].exp().mean(dim=(0, 1))
    mean_of_steps = late[0].mean(dim=(0, 1))
    return [
        (float((mean_of_steps - mean).abs().max()), OF_MEAN),
        (float((variance * precision - 1).abs().max()), OF_VARIANCE),
    ]
