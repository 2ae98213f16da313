"""What strategies with a memory of old examples share."""

from typing import Any

import torch
from torch import Tensor

from cl_bench.learner.base import Learner
from cl_bench.learner.batches import batches_of
from cl_bench.learner.experiences import resident_tasks
from cl_bench.learner.memory import BUFFERS, Memory
from cl_bench.validation import check_choice, check_count


class Rehearsal(Learner):
    """Base of strategies that keep examples: one memory for each seed, of pixels as the task sees them (after
    its permutation, before augmentation), labels and heads.

    What is kept and what is drawn from it are decided by the seeds' `noise`, so that the order of a task's
    examples is the same as without a memory. On somebody else's benchmark training sees the evaluation
    transforms, without random augmentation, and the memory keeps floats.

    Args:
        memory_size: examples in all, at least 1.
        buffer: `reservoir` or `class_balanced`; see learner/memory.py.

    Attributes:
        rehearses: whether steps see examples of the memory, so that they train old heads, too.
    """

    kept = ("memories",)
    rehearses = True

    def __init__(self, *, memory_size: int, buffer: str, **learner: Any) -> None:
        check_count(memory_size=memory_size)
        check_choice("buffer", buffer, BUFFERS)
        super().__init__(**learner)
        self.noise = self.draws("noise", "cpu")  # positions are numbers of the host
        self.memories = [
            Memory(memory_size, buffer=buffer, generator=generator) for generator in self.noise.generators
        ]

    def make_train_dataloader(self, **kwargs: Any) -> None:
        self.dataloader = self.train_batches([resident_tasks(self.experience)])
        self.num_examples = self.dataloader.num_examples

    def offer_task(self) -> None:
        """Offer all training examples of the current task to the memory, each once."""
        for memory, task in zip(self.memories, resident_tasks(self.experience), strict=True):
            alone = batches_of([task], batch_size=1, device=self.device)
            memory.offer(
                pixels=alone.pixels,
                labels=alone.labels,
                heads=alone.heads_on_host,
                labels_on_host=task.labels,
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
