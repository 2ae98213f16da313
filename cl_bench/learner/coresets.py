"""Coresets are kept out of training. Before each test a throw-away copy is trained on them."""

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from cl_bench.learner.base import Learner
from cl_bench.learner.batches import ResidentBatches
from cl_bench.learner.experiences import head_of, resident_tasks
from cl_bench.learner.recent_tasks import check_memory_tasks, keep_recent
from cl_bench.posteriors import coresets
from cl_bench.validation import check_choice, check_count

CORESETS = ("none", "random", "k_center")


class WithCoresets(Learner):
    """Base of strategies that keep examples out of a task's training data, and train on them before a test.

    A subclass trains the copy, in `_train_on_coresets`. Weights and buffers are put back after the test.
    Source: Nguyen et al. 2018, section 4.

    Args:
        coreset: `none`, or how examples are chosen, `random` or `k_center`; see posteriors/coresets.py.
        coreset_size: examples a task.
        coreset_epochs: passes over the coresets before each test.
        memory_tasks: coresets of the last so many tasks are kept; None: of all.
    """

    kept: ClassVar[tuple[str, ...]] = ("coreset_positions",)

    def __init__(
        self,
        *,
        coreset: str,
        coreset_size: int,
        coreset_epochs: int,
        memory_tasks: int | None = None,
        **learner: Any,
    ) -> None:
        check_choice("coreset", coreset, CORESETS)
        check_count(coreset_size=coreset_size, coreset_epochs=coreset_epochs)
        check_memory_tasks(memory_tasks)
        super().__init__(**learner)
        if self.stack.shape and coreset != "none":
            raise ValueError(f"coreset must be none for seeds trained at once, got {coreset=}")
        self.coreset, self.coreset_size, self.coreset_epochs = coreset, coreset_size, coreset_epochs
        self.coreset_tasks = memory_tasks
        self.coresets: list[ResidentBatches] = []
        self.coreset_positions: list[Tensor] = []  # of each, in its task's data

    def _train_on_coresets(self, parts: list[ResidentBatches], active: Tensor) -> None:
        """Train on the coresets that share a head, which moves the active weights alone."""
        raise NotImplementedError

    def active_for(self, head: int) -> Tensor:
        """1 for every weight that a task with this head moves."""
        raise NotImplementedError

    # What is kept

    def train_batches(self, tasks: Sequence[Sequence[Any]]) -> ResidentBatches:
        batches = super().train_batches(tasks)
        if self.coreset == "none":
            return batches
        if self.coreset_size >= batches.num_examples:
            raise ValueError(
                f"coreset_size must be below the task's {batches.num_examples} training examples, "
                f"got coreset_size={self.coreset_size}"
            )
        features = batches.to_float(batches.pixels).flatten(1)
        choose = coresets.random if self.coreset == "random" else coresets.k_center
        positions = choose(features, self.coreset_size, generator=self.batch_order.generators[0])
        self._keep(batches, positions)
        return batches.without(positions)

    def _keep(self, batches: ResidentBatches, positions: Tensor) -> None:
        """Keep the examples at these positions as the coreset of the task."""
        kept = batches.only(positions)
        # coresets are trained on in tests, which must not disturb training
        kept.generator, kept.augment = self.test_noise.generators[0], None
        self.coresets.append(kept)
        self.coreset_positions.append(positions)
        keep_recent(self.coresets, self.coreset_tasks)
        keep_recent(self.coreset_positions, self.coreset_tasks)

    def recall(self, experiences: Sequence[Any]) -> None:
        all_positions, self.coresets, self.coreset_positions = self.coreset_positions, [], []
        newest = experiences[max(0, len(experiences) - len(all_positions)) :]
        for experience, positions in zip(newest, all_positions, strict=False):
            self._keep(super().train_batches([resident_tasks(experience)]), positions)

    def _before_training_exp(self, **kwargs: Any) -> None:
        if self.coreset != "none" and not hasattr(self.experience, "task_data"):
            raise ValueError(
                f"coreset must be none on a benchmark of somebody else's, got coreset={self.coreset!r}"
            )
        super()._before_training_exp(**kwargs)
        if self.coreset != "none":
            head_of(self.experience)  # a coreset is of one head

    def state_tensors(self) -> dict[str, Tensor]:
        tensors = super().state_tensors()
        for number, kept in enumerate(self.coresets):
            for name in ("pixels", "labels", "heads"):
                tensors[f"coreset_{number}_{name}"] = getattr(kept, name)
        return tensors

    def sampled_from(self) -> Sequence[Tensor]:
        """The coresets: a copy is trained on them before each test."""
        coresets = [getattr(kept, name) for kept in self.coresets for name in ("pixels", "labels", "heads")]
        return (*super().sampled_from(), *coresets)

    # Tests

    def _before_eval(self, **kwargs: Any) -> None:
        super()._before_eval(**kwargs)
        if self.coresets:
            self.before_coresets = {name: part.clone() for name, part in self.network.state_dict().items()}
        self.trained_for: int | None = None

    def _before_eval_exp(self, **kwargs: Any) -> None:
        super()._before_eval_exp(**kwargs)
        if not self.coresets:
            return
        head = head_of(self.experience)
        if head != self.trained_for:
            self._undo_coresets()
            self._train_on_coresets(
                [kept for kept in self.coresets if kept.task == head], self.active_for(head)
            )
            self.trained_for = head

    def _after_eval(self, **kwargs: Any) -> None:
        if self.coresets:
            self._undo_coresets()
        super()._after_eval(**kwargs)

    def _undo_coresets(self) -> None:
        self.network.load_state_dict(self.before_coresets)
