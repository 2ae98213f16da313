"""Memories that do not hold what they should, and what is kept with its graph."""

import random
from collections import deque
from typing import Any

import numpy as np
import torch
from broken_strategies import breaks
from torch import Tensor
from torch.nn import functional as F

from cl_bench.learner.experiences import resident_tasks
from cl_bench.strategies import DER, EWC, Finetune, Learner, LwF, Replay

LABELS = "labels_held_are_those_of_their_images"
HELD = "a_memory_holds_images_of_every_task"
GRAPH = "nothing_kept_has_a_graph"


class OwnBuffer(Learner):
    """Replay with a list of its own, as it is written in an afternoon; healthy if `store` is."""

    def __init__(
        self, *, memory_size: int, buffer: str, replay_share: float, memory_tasks: None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.mem_size = memory_size
        self.buffer: Any = []
        self.n_seen = 0
        self.rng = random.Random(0)

    def criterion(self) -> Tensor:
        loss = super().criterion()
        if not self.is_training or not len(self.buffer):
            return loss
        batch = self.rng.sample(list(self.buffer), min(8, len(self.buffer)))
        x, y, t = zip(*batch, strict=True)
        return loss + F.cross_entropy(self.logits(torch.stack(x), torch.tensor(t)), torch.tensor(y))

    def _after_training_iteration(self, **kwargs: Any) -> None:
        super()._after_training_iteration(**kwargs)
        if self.clock.train_exp_epochs == 0:
            for x, y in zip(self.mb_x, self.mb_y, strict=True):
                self.store(x.clone(), int(y), int(self.head))

    def store(self, x: Tensor, y: int, t: int) -> None:
        self.n_seen += 1
        if len(self.buffer) < self.mem_size:
            self.buffer.append((x, y, t))
        else:
            j = self.rng.randrange(self.n_seen)
            if j < self.mem_size:
                self.buffer[j] = (x, y, t)


@breaks("replay", caught_by=HELD)
class FullAfterTheFirstTask(OwnBuffer):
    def store(self, x: Tensor, y: int, t: int) -> None:
        if len(self.buffer) < self.mem_size:
            self.buffer.append((x, y, t))


@breaks("replay", caught_by=HELD)
class FirstInFirstOut(OwnBuffer):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.buffer = deque(maxlen=self.mem_size)

    def store(self, x: Tensor, y: int, t: int) -> None:
        self.buffer.append((x, y, t))


@breaks("replay", caught_by=HELD)
class BeginsANewMemoryForEachTask(Replay):
    def _after_training_exp(self, **kwargs: Any) -> None:
        self.memories[0].restore({})
        super()._after_training_exp(**kwargs)


@breaks("der", caught_by=HELD)
class WritesTheFirstImageIntoAllSlots(DER):
    def _after_training_iteration(self, **kwargs: Any) -> None:
        super()._after_training_iteration(**kwargs)
        memory = self.memories[0]
        memory.pixels[: len(self.mb_x)] = self.dataloader.pixels[self.dataloader.newest][0]


@breaks("replay", caught_by=HELD)
class CollectsInForward(OwnBuffer):
    """Every forward pass is remembered, and so is a test's."""

    def forward(self) -> Tensor:
        if not self.is_training:
            for x, y in zip(self.mb_x, self.mb_y, strict=True):
                self.store(x.clone(), int(y), int(self.head))
        return super().forward()


@breaks("replay", caught_by=HELD)
class HoldsAsManyOfEachClass(OwnBuffer):
    """The memory's size is taken for each class."""

    def store(self, x: Tensor, y: int, t: int) -> None:
        if sum((y, t) == (b[1], b[2]) for b in self.buffer) < self.mem_size:
            self.buffer.append((x, y, t))


@breaks("replay", caught_by=HELD)
class NumpyBufferOfTheNewestTask(OwnBuffer):
    """Arrays, whose first places are written again from each task on."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.xs = np.zeros((self.mem_size, 64), dtype=np.float32)
        self.ys = np.zeros(self.mem_size, dtype=np.int64)

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.i = 0

    def store(self, x: Tensor, y: int, t: int) -> None:
        if self.i < self.mem_size:
            self.xs[self.i], self.ys[self.i] = x.numpy().ravel(), y
            self.i += 1


@breaks("replay", caught_by=LABELS)
class ReplacesTheImageAlone(OwnBuffer):
    """Two tensors; a reservoir that has its index right for one of them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.buf_x = torch.zeros(self.mem_size, 1, 8, 8)
        self.buf_y = torch.zeros(self.mem_size, dtype=torch.long)

    def store(self, x: Tensor, y: int, t: int) -> None:
        if self.n_seen < self.mem_size:
            self.buf_x[self.n_seen], self.buf_y[self.n_seen] = x, y
        else:
            self.buf_x[self.rng.randrange(self.mem_size)] = x
        self.n_seen += 1


@breaks("replay", caught_by=LABELS)
class LabelsInTheOrderOfTheData(Replay):
    """The images are shuffled before some are chosen, and their labels are not."""

    def offer_task(self) -> None:
        (task,) = resident_tasks(self.experience)
        pixels = task.pixels(self.device)
        order = torch.randperm(len(pixels), generator=self.noise.generators[0])
        heads = torch.full_like(task.labels, task.head)
        self.memories[0].offer(pixels=pixels[order], labels=task.labels, heads=heads)


@breaks("finetune", caught_by=GRAPH)
class AppendsItsLosses(Finetune):
    """To plot them later."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.history: dict[str, list[Tensor]] = {"loss": []}

    def _after_training_iteration(self, **kwargs: Any) -> None:
        super()._after_training_iteration(**kwargs)
        self.history["loss"].append(self.loss)


@breaks("ewc", caught_by=GRAPH)
class ImportanceWithAGraph(EWC):
    """create_graph=True, to be able to take Hessians."""

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        loss = F.cross_entropy(self.model(self.mb_x, self.head), self.mb_y)
        params = [p for p in self.model.parameters() if p.requires_grad]
        grads = torch.autograd.grad(loss, params, create_graph=True, allow_unused=True)
        self.fisher = [g.pow(2) for g in grads if g is not None]


@breaks("lwf", caught_by=GRAPH)
class TeachersLogitsWithAGraph(LwF):
    """What the network says of a sample of each task, in a namespace of its own."""

    class Store:
        def __init__(self) -> None:
            self.by_task: dict[int, tuple[Tensor, Tensor]] = {}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.store = self.Store()

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.store.by_task[self.num_learnt] = (self.mb_x, self.model(self.mb_x, self.head))
