"""What strategies with a memory of old examples share."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from cl_bench.learner.base import Learner
from cl_bench.learner.batches import batches_of
from cl_bench.learner.experiences import resident_tasks
from cl_bench.learner.memory import BUFFERS
from cl_bench.learner.noise import Noise
from cl_bench.learner.recent_tasks import check_memory_tasks, memory_of
from cl_bench.validation import check_choice, check_count

if TYPE_CHECKING:
    Host = Learner
else:  # Avalanche lets no class inherit settings from two learners
    Host = object


class Remembering(Host):
    """Mixed into a learner that keeps examples: one memory for each seed.

    A memory has pixels as the task sees them (after its permutation, before augmentation), labels and heads.
    On somebody else's benchmark training sees the evaluation transforms, without random augmentation, and the
    memory keeps floats.

    Attributes:
        rehearses: whether steps see examples of the memory, so that they train old heads, too.
    """

    kept: ClassVar[tuple[str, ...]] = ("memories",)
    rehearses = True

    def remember(
        self,
        *,
        memory_size: int,
        buffer: str,
        memory_tasks: int | None,
        choices: Noise,
        numbers: Collection[str] = (),
    ) -> None:
        """Have empty memories.

        Args:
            memory_size: in examples, at least 1.
            buffer: `reservoir` or `class_balanced`; see learner/memory.py.
            memory_tasks: the last so many tasks have an equal part each, and older ones none; None: all
                share it.
            choices: decides on the host which examples are kept and which are drawn.
            numbers: names of the whole numbers that `offer_task` gets; they lie on the host.
        """
        check_count(memory_size=memory_size)
        check_choice("buffer", buffer, BUFFERS)
        check_memory_tasks(memory_tasks)
        self.memories = [
            memory_of(
                memory_size,
                memory_tasks=memory_tasks,
                buffer=buffer,
                generator=generator,
                device=self.device,
                on_host=numbers,
            )
            for generator in choices.generators
        ]

    def make_train_dataloader(self, **kwargs: Any) -> None:
        self.dataloader = self.train_batches([resident_tasks(self.experience)])
        self.num_examples = self.dataloader.num_examples

    def offer_task(self, **numbers: int) -> None:
        """Offer all training examples of the current task to the memory, each once.

        Args:
            numbers: name -> a whole number that each of these examples is kept with.
        """
        for memory, task in zip(self.memories, resident_tasks(self.experience), strict=True):
            alone = batches_of([task], batch_size=1, device=self.device)
            rows = {name: torch.full_like(alone.heads_on_host, number) for name, number in numbers.items()}
            memory.offer(
                pixels=alone.pixels,
                labels=alone.labels,
                heads=alone.heads_on_host,
                labels_on_host=task.labels,
                **rows,
            )

    def rehearse(self, target: str, num_examples: int) -> tuple[Tensor, Tensor]:
        """The network's logits [R * B, K] on examples drawn from each seed's memory, and what was remembered.

        Images are augmented anew, and seen through their own heads.

        Args:
            target: the name of what was remembered, such as `labels`.
            num_examples: of each seed's memory, B, or all where it holds fewer.
        """
        drawn = [memory.draw(num_examples) for memory in self.memories]
        pixels, heads, targets = (
            torch.cat([rows[name] for rows in drawn]) for name in ("pixels", "heads", target)
        )
        return self.logits(self.dataloader.images(pixels), heads), targets

    def heads_trained(self) -> set[int]:
        if not self.rehearses:
            return super().heads_trained()
        held = (memory.heads.tolist() for memory in self.memories if len(memory))
        return super().heads_trained().union(*held)

    def state_tensors(self) -> dict[str, Tensor]:
        found = super().state_tensors()
        others = {name: part for name, part in found.items() if not name.startswith("memories.")}
        states = [memory.state() for memory in self.memories]
        joined = {name: self.join_seeds([state[name] for state in states]) for name in states[0]}
        return others | {f"memory_{name}": part for name, part in joined.items()}


class Rehearsal(Remembering, Learner):
    """Base of strategies that keep examples: one memory for each seed.

    What is kept and what is drawn from it are decided by the seeds' `noise`, so that the order of a task's
    examples is the same as without a memory.

    Args:
        memory_size: examples in all, at least 1.
        buffer: `reservoir` or `class_balanced`; see learner/memory.py.
        memory_tasks: the last so many tasks have an equal part of the memory each, and older ones none. None:
            all tasks share it.
    """

    def __init__(
        self, *, memory_size: int, buffer: str, memory_tasks: int | None = None, **learner: Any
    ) -> None:
        super().__init__(**learner)
        self.noise = self.draws("noise", "cpu")  # positions are numbers of the host
        self.remember(memory_size=memory_size, buffer=buffer, memory_tasks=memory_tasks, choices=self.noise)
        if memory_tasks is not None:
            self.claims = self.claims._replace(keeps_of_every_task=False)
