"""Avalanche's template over tensors that lie on the device, for one seed or several, that can be stopped."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cl_bench.deferred import deferred
from cl_bench.learner import second_pass
from cl_bench.learner.batches import ResidentBatches, batches_of, stacked
from cl_bench.learner.early_stopping import EarlyStopping, validation_of
from cl_bench.learner.experiences import check_examples, heads_in, resident_tasks, unpacked
from cl_bench.learner.links import TaskFree, take_weights
from cl_bench.learner.noise import Noise
from cl_bench.learner.output_heads import activate, rows_of_others
from cl_bench.learner.seed_stack import SeedStack, each_network, template_of
from cl_bench.learner.seeds import Seeds
from cl_bench.learner.state import first_epoch, kept_tensors, restore_state, state_of
from cl_bench.learner.step_events import Listeners, hook
from cl_bench.models import Heads, Network
from cl_bench.validation import ONE_BY_ONE

with deferred():
    from avalanche.training.templates import SupervisedTemplate


class Adapter(SupervisedTemplate):
    """What Avalanche asks of `Learner` around its steps: batches, events and epochs, and where it stands.

    The attributes below are there before Avalanche's own constructor is called.

    Attributes:
        network: called as network(images, task).
        stack: the seeds that are trained.
        batch_order, augmentation, noise, test_noise: their generators, one purpose each.
        listeners: the plugins' methods of each event of a step.
        kept: names of attributes that continue from task to task (posterior, importances, memories). The
            tensors in them count as stored bits. See learner/packing.py for what they may be.
        in_task: names of attributes that steps change, and that the next task makes anew. What is used after
            a task's last step belongs here, too: the batch and its loss are gone where a run resumes there.
        after_step: called after every step, when everything of the step is done.
        gradient_evaluations: of the current task and of one seed: the gradients taken of single examples. It
            is nan where a pass through the data did not say how many it takes.
    """

    network: nn.Module
    stack: SeedStack
    batch_order: Noise
    augmentation: Noise
    noise: Noise
    test_noise: Noise
    listeners: Listeners
    mbatch: Any
    num_examples: int  # of the current task, of one seed

    kept: ClassVar[tuple[str, ...]] = ()
    in_task: ClassVar[tuple[str, ...]] = ()
    after_step: Callable[[], None] | None = None
    early_stopping: EarlyStopping | None
    gradient_evaluations: float = 0
    _goes_on_from: dict[str, Any] | None = None  # a state in the midst of the next task

    # The network and its heads

    @property
    def model(self) -> nn.Module:
        """The network as it was given. Another one that is set gives it its weights and buffers."""
        return self.network.get_submodule("model") if isinstance(self.network, TaskFree) else self.network

    @model.setter
    def model(self, new: nn.Module) -> None:
        if new not in (self.network, self.model):
            take_weights(self.model, new)

    @property
    def heads(self) -> Heads | None:
        """The network's heads; None for a network that is not ours."""
        network = template_of(self.network)
        return network.heads if isinstance(network, Network) else None

    def other_heads(self, task: int | Collection[int]) -> list[tuple[nn.Parameter, slice]]:
        """The rows of output parameters that belong to heads of other tasks than this one, or these."""
        return rows_of_others(self.heads, (task,) if isinstance(task, int) else task)

    def heads_trained(self) -> set[int]:
        """The heads that the current task trains: its own, and those of old tasks that it rehearses."""
        return set(heads_in(self.experience))

    def active_outputs(self) -> Tensor | None:
        """The classes that outputs have now, bool [K]; None for all."""
        return None if self.heads is None else self.heads.active

    def activate_classes(self) -> None:
        """Let the single head have the classes of the current task and those it has already.

        Raises:
            ValueError: where stacked seeds have other classes: they share one head's list of them.
        """
        if self.heads is None or self.heads.num_heads > 1:
            return
        labels = [task.labels for task in resident_tasks(self.experience)]
        classes = [set(each.tolist()) for each in labels]
        lacking = set.union(*classes) - set.intersection(*classes)
        if lacking:
            raise ValueError(
                "active_classes=seen needs the same classes in all seeds trained at once, got "
                f"{sorted(lacking)} in some of them alone; {ONE_BY_ONE}"
            )
        activate(self.heads, labels[0], self.device)

    @property
    def tasks_learned(self) -> int:
        """How many tasks have been learned; the one in training does not count."""
        return self.clock.train_exp_counter

    # Seeds: one, or several at once

    @property
    def seeds(self) -> list[Seeds]:
        """The seeds that are trained, one for each network."""
        return self.stack.seeds

    @property
    def num_seeds(self) -> int:
        """How many seeds are trained at once, from 1."""
        return len(self.stack)

    def draws(self, purpose: str, device: torch.device | str) -> Noise:
        """Random tensors for a purpose (see `Seeds`), from the start of its random stream."""
        return self.stack.noise(purpose, device)

    def each_seed(self) -> Iterator[tuple[nn.Module, Any, torch.Generator]]:
        """Each seed's network as it is now, its data of the current task, its generator of noise.

        The network is a copy where seeds are stacked.
        """
        data = resident_tasks(self.experience)
        yield from zip(each_network(self.network), data, self.noise.generators, strict=True)

    def join_seeds(self, results: Sequence[Tensor]) -> Tensor:
        """One result a seed, each [...]: as they are stacked, [R, ...], or the only one."""
        return self.stack.join(results)

    def count_gradients(self, num_examples: int) -> None:
        """Add the gradients of so many examples, of all seeds together, to `gradient_evaluations`."""
        self.gradient_evaluations += num_examples // self.num_seeds

    def measure(self, function: Callable[..., Any], **settings: Any) -> list[Any]:
        """The results of function(network, batches, generator=...) on the data of the task, one a seed.

        See learner/second_pass.py.
        """
        return second_pass.measure(self, function, **settings)

    # The data of a task

    @property
    def head(self) -> int | Tensor:
        """The current batch's head: an int, or one for each example."""
        return self.mbatch[-1]

    def labels_of_task(self) -> Tensor:
        """All labels of the experience in training or in a test, without reading its images."""
        if isinstance(self.dataloader, ResidentBatches):
            return self.dataloader.labels
        targets = getattr(self.adapted_dataset, "targets", None)
        return self.mb_y if targets is None else torch.tensor([int(label) for label in targets])

    def train_batches(self, tasks: Sequence[Sequence[Any]]) -> ResidentBatches:
        """Shuffled batches of one task, or of several mixed; a task is given as one part for each seed."""
        return stacked(self.batches_by_seed(tasks))

    def batches_by_seed(self, tasks: Sequence[Sequence[Any]]) -> Iterator[ResidentBatches]:
        """Each seed's part of `train_batches`."""
        generators = self.batch_order.generators, self.augmentation.generators
        for mine, order, augmentation in zip(zip(*tasks, strict=True), *generators, strict=True):
            yield batches_of(
                mine,
                batch_size=self.train_mb_size,
                device=self.device,
                generator=order,
                augmentation=augmentation,
            )

    def train_dataset_adaptation(self, **kwargs: Any) -> None:
        super().train_dataset_adaptation(**kwargs)
        self._own_dataset = self.adapted_dataset  # a plugin may put another one in its place

    def make_train_dataloader(self, **kwargs: Any) -> None:
        if hasattr(self.experience, "task_data") and self.adapted_dataset is self._own_dataset:
            self.dataloader = self.train_batches([resident_tasks(self.experience)])
            self.num_examples = self.dataloader.num_examples
            return
        if self.stack.shape:
            raise ValueError(
                "several seeds cannot be trained at once on somebody else's benchmark, whose data set serves "
                f"one: take a benchmark of cl_bench, or {ONE_BY_ONE}"
            )
        check_examples(self.adapted_dataset)
        # its own loader, so that its augmentation stays random; it draws from the global generator, as all of
        # Avalanche does
        super().make_train_dataloader(**kwargs)
        self.num_examples = len(self.adapted_dataset)

    def make_eval_dataloader(self, **kwargs: Any) -> None:
        self.dataloader = stacked(
            batches_of([task], batch_size=self.eval_mb_size, device=self.device)
            for task in resident_tasks(self.experience)
        )

    def _unpack_minibatch(self) -> None:
        if isinstance(self.dataloader, ResidentBatches) and isinstance(self.head, int):
            return  # they are on the device, in floats, and of one task
        self.mbatch = unpacked(self.mbatch, self.dataloader, self.experience, self.device)

    def model_adaptation(self, model: nn.Module | None = None) -> nn.Module:
        return self.network if model is None else model

    # The events of a step

    _before_training_iteration = hook("before_training_iteration")
    _before_forward = hook("before_forward")
    _after_forward = hook("after_forward")
    _before_backward = hook("before_backward")
    _after_backward = hook("after_backward")
    _before_update = hook("before_update")
    _after_update = hook("after_update")
    _after_training_iteration = hook("after_training_iteration")

    # How it is stopped and resumes, bit for bit

    def state_tensors(self) -> dict[str, Tensor]:
        """What the strategy keeps between tasks besides the network, by name."""
        return kept_tensors(self)

    def kept_elsewhere_bits(self) -> int:
        """What one seed stores between tasks, but not in `state_tensors`, in bits."""
        return 0

    def recall(self, experiences: Sequence[Any]) -> None:
        """Take up again what the strategy keeps of the data of these tasks, which were trained on."""

    def state(self) -> dict[str, Any]:
        """All that training depends on, as plain values: between two tasks, or after a step.

        Raises:
            TypeError: for an attribute or a plugin whose state nobody can tell, by name.
        """
        return state_of(self)

    def restore(self, state: dict[str, Any], experiences: Sequence[Any] = ()) -> None:
        """Stand where a strategy of the same settings stood.

        Args:
            state: what `state()` gave.
            experiences: all that it was trained on, in order; only their data are read.

        Raises:
            ValueError: where the state does not fit.
        """
        restore_state(self, state)
        if experiences:
            self.recall(experiences)

    def go_on_in_task(self, state: dict[str, Any]) -> None:
        """Let the next task, which is begun as ever, resume from a state in its midst."""
        self._goes_on_from = state

    def _train_exp(self, experience: Any, eval_streams: Any = None, **kwargs: Any) -> None:
        """Avalanche's loop over epochs, which can begin in the midst of one, and stop early."""
        stopping = self.early_stopping
        validation = None if stopping is None else validation_of(experience, eval_streams)
        state, self._goes_on_from = self._goes_on_from, None
        first = first_epoch(state, self.train_epochs)
        for epoch in range(first, self.train_epochs):
            self._before_training_epoch(**kwargs)
            if self._stop_training:
                self.__dict__["_stop_training"] = False
                break
            if state is not None and epoch == first:
                self.restore(state)
                self.dataloader.restore(state["batches"])
            self.training_epoch(**kwargs)
            self._after_training_epoch(**kwargs)
            if stopping is not None and stopping.after_epoch(self, validation):
                break
        if stopping is not None:
            stopping.end(self)
