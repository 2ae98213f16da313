"""Are images of another data set told from the tests of the tasks seen, by what a network does not know?

After each task the foreign images are predicted as a test's are. Three measures of doubt are compared: the
confidence (the largest probability), the entropy of the prediction, and its mutual information with the
weights. With one head per task, each foreign image is given to the head of every task seen, as the tests are
to their own. Training is what it is without, bit for bit, and so are the records.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cl_bench.deferred import deferred
from cl_bench.evaluation.probes import as_before, some_of
from cl_bench.evaluation.scores import mutual_information
from cl_bench.learner.seeds import Seeds
from cl_bench.learner.taking_part import taking_part
from cl_bench.posteriors import uncertainty
from cl_bench.posteriors.prediction import log_probabilities
from cl_bench.posteriors.uncertainty import auroc
from cl_bench.records.rows import Foreign
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.streams.scaling import unmoved
from cl_bench.streams.stacked import StackedTask
from cl_bench.streams.tasks import SharedImages, TaskData, TaskStream

with deferred():
    from avalanche.core import SupervisedPlugin

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue, as in ITU-R BT.601


def suited(images: Tensor, shape: Sequence[int]) -> Tensor:
    """Bring images to the shape of a stream's: uint8 [N, C, H, W].

    Sizes are changed by bilinear interpolation with antialiasing. A grey image becomes equal channels, a
    colour image its luminance.

    Args:
        images: uint8 [N, C', H', W'].
        shape: C, H, W.

    Raises:
        ValueError: for other numbers of channels.

    >>> suited(torch.full((1, 1, 2, 2), 7, dtype=torch.uint8), (3, 1, 1)).flatten()
    tensor([7, 7, 7], dtype=torch.uint8)
    """
    wanted, given = shape[0], images.shape[1] if images.dim() == 4 else 0
    if given != wanted and {given, wanted} != {1, 3}:
        raise ValueError(
            f"foreign images must have 1 or 3 channels, or those of the stream, {wanted}, got images "
            f"{list(images.shape[1:])}"
        )
    pixels = images.float()
    if given == 3 and wanted == 1:
        pixels = (pixels * torch.tensor(LUMINANCE).view(3, 1, 1)).sum(dim=1, keepdim=True)
    if tuple(pixels.shape[2:]) != tuple(shape[1:]):
        pixels = F.interpolate(pixels, tuple(shape[1:]), mode="bilinear", antialias=True)
    return pixels.round().clamp(0, 255).to(torch.uint8).expand(-1, wanted, -1, -1).contiguous()


def foreign_experiences(
    images: Tensor, stream: TaskStream, *, name: str, size: int, seeds: Sequence[Seeds]
) -> list[Any]:
    """A sample of foreign images as Avalanche experiences, one for each head of the stream.

    Each seed draws its own sample from its generator `probe`. The images are scaled as those of the stream's
    first task, and not transformed further: no permutation, no rotation. Their labels mean nothing.

    Args:
        images: uint8 [N, C', H', W'], see `suited`; for a stream of features as many of them, float.
        name: of the foreign data set, for errors.
        size: of the sample; all where there are fewer.

    Raises:
        ValueError: for images beside a stream of features, or the other way round, and for other shapes.
    """
    first = stream.test[0]
    parts = getattr(first, "parts", (first,))
    shared = SharedImages(_like(images, parts[0].shared.images, stream.input_shape, name=name))

    def task(head: int) -> Any:
        whole = [
            TaskData(
                shared,
                None,
                torch.zeros(len(shared.images), dtype=torch.int64),
                head=head,
                view=unmoved(part.view),
                to_float=part.to_float,
            )
            for part in parts
        ]
        samples = [
            some_of(each, size, seed.generator("probe")) for each, seed in zip(whole, seeds, strict=True)
        ]
        return StackedTask(samples) if isinstance(first, StackedTask) else samples[0]

    tasks = tuple(task(head) for head in range(stream.num_heads))
    return list(to_avalanche(stream._replace(train=tasks, validation=(), test=tasks)).streams["test"])


def _like(images: Tensor, of_stream: Tensor, shape: Sequence[int], *, name: str) -> Tensor:
    """Bring foreign images, or features, to what the stream has."""
    kinds = {False: "images", True: "features"}
    given, wanted = images.is_floating_point(), of_stream.is_floating_point()
    if given != wanted or (given and tuple(images.shape[1:]) != tuple(shape)):
        raise ValueError(
            f"training.ood must name data sets of the stream's kind, {kinds[wanted]} {list(shape)}, got "
            f"{name} of {kinds[given]} {list(images.shape[1:])}: leave it out"
        )
    return images if given else suited(images, shape)


class Doubts(SupervisedPlugin):
    """Confidence, entropy and mutual information of every example: [3, R, N] for each experience tested."""

    def __init__(self) -> None:
        super().__init__()
        self.by_experience: list[Tensor] = []

    def before_eval(self, strategy: Any, **kwargs: Any) -> None:
        self.by_experience = []

    def before_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        self._parts: list[Tensor] = []

    def after_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        log_p = log_probabilities(strategy.mb_output.double())
        entropy = uncertainty.entropy(log_p, log_p.exp())
        information = mutual_information(strategy, entropy)
        measures = torch.stack([log_p.max(dim=1).values.exp(), entropy, information])
        num_seeds = getattr(strategy, "num_seeds", None) or 1
        self._parts.append(measures.unflatten(1, (num_seeds, -1)))

    def after_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.by_experience.append(torch.cat(self._parts, dim=2))
        self._parts = []


class ForeignTests:
    """Tests on foreign data sets after each task.

    Args:
        experiences: of each data set those of `foreign_experiences`.
        seeds: written into the rows.
        test_last: foreign images are told from the last so many tasks seen, also where all are tested at the
            end; None: from all tasks seen.
    """

    def __init__(
        self, experiences: Sequence[Sequence[Any]], *, seeds: Sequence[int], test_last: int | None = None
    ) -> None:
        self._experiences, self._seeds, self._test_last = experiences, seeds, test_last
        self.tests = Doubts()  # a plugin: what the tests of the stream's own tasks measure

    def after(self, strategy: Any, after_task: int, tasks: Sequence[int]) -> Iterator[Foreign]:
        """Rows after a task, whose tests have just been made; none before the first task.

        Args:
            tasks: that were tested, in their order.
        """
        first = 1 if self._test_last is None else after_task - self._test_last + 1
        seen = [index for index, task in enumerate(tasks) if first <= task <= after_task]
        if not seen or not self._experiences:
            return
        own = torch.cat([self.tests.by_experience[index] for index in seen], dim=2)
        for number, by_head in enumerate(self._experiences, start=1):
            tested = [by_head[tasks[index] - 1] for index in seen] if len(by_head) > 1 else by_head
            foreign = _doubts_of(strategy, tested)
            for index, seed in enumerate(self._seeds):
                yield Foreign(
                    seed,
                    after_task,
                    number,
                    _auroc(own[0, index], foreign[0, index]),
                    _auroc(-own[1, index], -foreign[1, index]),
                    _auroc(-own[2, index], -foreign[2, index]),
                    foreign.shape[2] // len(tested),
                )


def _doubts_of(strategy: Any, experiences: Sequence[Any]) -> Tensor:
    """The measures of foreign images, [3, R, N]; the strategy is as before."""
    doubts = Doubts()
    with as_before(strategy):
        strategy.plugins = [doubts, *taking_part(strategy)]
        strategy.eval(list(experiences))
    return torch.cat(doubts.by_experience, dim=2)


def _auroc(seen: Tensor, foreign: Tensor) -> float:
    if bool(seen.isnan().any() | foreign.isnan().any()):
        return math.nan
    return float(auroc(seen, foreign))
