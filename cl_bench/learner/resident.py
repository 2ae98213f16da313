"""Where a strategy's batches and random numbers come from: tensors on the device and a generator for each
purpose, once for every seed that is trained at once.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.deferred import deferred
from cl_bench.learner.batches import ResidentBatches, StackedBatches, batches_of
from cl_bench.learner.experiences import as_images, as_labels, check_examples, has_task_labels, resident_tasks
from cl_bench.learner.noise import Noise
from cl_bench.learner.seeds import Seeds
from cl_bench.learner.step_events import StepEvents
from cl_bench.models.stacked import StackedNetwork

with deferred():
    from avalanche.core import BasePlugin


class Resident(StepEvents):
    """Base of `Learner`: serves the batches of one seed or of several.

    Before Avalanche's constructor a subclass sets `network` and calls `sow`.
    """

    network: nn.Module
    mbatch: Any
    stackable = False  # whether several seeds can be trained at once; each class says so for itself

    def sow(
        self, seeds: Seeds | Sequence[Seeds], device: torch.device | str, plugins: Sequence[BasePlugin]
    ) -> None:
        """Make the generators: one of each purpose for each network of the stack, or for the only one.

        Raises:
            ValueError: for another number of seeds, and for what cannot be trained at once.
        """
        network = self.network
        self.num_seeds = network.num_seeds if isinstance(network, StackedNetwork) else None
        self.seeds = [seeds] if isinstance(seeds, Seeds) else list(seeds)
        self._check_seeds(plugins)
        self.batch_order = self.draws("batches", "cpu")
        self.augmentation = self.draws("augmentation", device)
        self.noise = self.draws("noise", device)
        self.test_noise = self.draws("test", device)

    def _check_seeds(self, plugins: Sequence[BasePlugin]) -> None:
        if len(self.seeds) != (self.num_seeds or 1):
            raise ValueError(
                "a network is trained with one Seeds, a StackedNetwork with one for each of its networks, "
                f"got {len(self.seeds)} for {type(self.network).__name__}"
            )
        if self.num_seeds is not None and not vars(type(self)).get("stackable", False):
            raise ValueError(
                f"{type(self).__name__} does not say that it can train several seeds at once "
                "(class attribute stackable): set training.stacked=false, got a StackedNetwork"
            )
        if self.num_seeds is not None and plugins:  # the loss they add to is a sum over seeds
            raise ValueError(
                "Avalanche's plugins know nothing of several seeds at once: set training.stacked=false, got "
                f"plugins={[type(plugin).__name__ for plugin in plugins]}"
            )

    def draws(self, purpose: str, device: torch.device | str) -> Noise:
        """Random tensors for a purpose (see `Seeds`), from the start of its random stream."""
        generators = [seeds.generator(purpose, device) for seeds in self.seeds]
        return Noise(generators, stacked=self.num_seeds is not None)

    def each_seed(self) -> Iterator[tuple[nn.Module, Any, torch.Generator]]:
        """Of every seed: its network as it is now, its data of the current task, its generator of noise.

        The network is a copy where seeds are stacked.
        """
        networks = (
            [self.network.one(index) for index in range(self.num_seeds)]
            if isinstance(self.network, StackedNetwork) and self.num_seeds is not None
            else [self.network]
        )
        yield from zip(networks, resident_tasks(self.experience), self.noise.generators, strict=True)

    def join_seeds(self, results: Sequence[Tensor]) -> Tensor:
        """One result a seed, each [...]: as they are stacked, [R, ...], or the only one."""
        return results[0] if self.num_seeds is None else torch.stack(list(results))

    def labels_of_task(self) -> Tensor:
        """All labels of the experience in training or in a test, without reading its images."""
        if isinstance(self.dataloader, ResidentBatches):
            return self.dataloader.labels
        targets = getattr(self.adapted_dataset, "targets", None)
        return self.mb_y if targets is None else torch.tensor([int(label) for label in targets])

    # How Avalanche calls it

    @property
    def head(self) -> int | Tensor:
        """The current batch's head: an int, or one for each example."""
        return self.mbatch[-1]

    def _unpack_minibatch(self) -> None:
        if isinstance(self.dataloader, ResidentBatches) and isinstance(self.head, int):
            return  # they are on the device, in floats, and of one task
        *tensors, task = self.mbatch if has_task_labels(self.experience) else [*self.mbatch[:2], 0]
        if not isinstance(self.dataloader, ResidentBatches):
            tensors[:2] = as_images(tensors[0]), as_labels(tensors[1])
        if isinstance(task, Tensor):
            # labels of Avalanche's own loaders are tensors, nearly always of one task: an int is faster
            batches = self.dataloader
            known = isinstance(batches, ResidentBatches) and batches.is_newest(task)
            heads = batches.heads_of_newest() if known else task
            task = int(heads[0]) if bool((heads == heads[0]).all()) else task.to(self.device)
        self.mbatch = [tensor.to(self.device, non_blocking=True) for tensor in tensors] + [task]

    def train_dataset_adaptation(self, **kwargs: Any) -> None:
        super().train_dataset_adaptation(**kwargs)
        self._own_dataset = self.adapted_dataset  # a plugin may put another one in its place

    def make_train_dataloader(self, **kwargs: Any) -> None:
        if hasattr(self.experience, "task_data") and self.adapted_dataset is self._own_dataset:
            self.dataloader = self.train_batches([resident_tasks(self.experience)])
            self.num_examples = self.dataloader.num_examples
            return
        if self.num_seeds is not None:
            raise ValueError("seeds are trained at once on benchmarks of cl_bench only, got somebody else's")
        check_examples(self.adapted_dataset)
        # its own loader, so that its augmentation stays random; it draws from the global generator, as all of
        # Avalanche does
        super().make_train_dataloader(**kwargs)
        self.num_examples = len(self.adapted_dataset)

    def train_batches(self, tasks: Sequence[Sequence[Any]]) -> ResidentBatches:
        """Shuffled batches of one task, or of several mixed; a task is given as one part for each seed."""
        return self._stacked(self.batches_by_seed(tasks))

    def batches_by_seed(self, tasks: Sequence[Sequence[Any]]) -> Iterator[ResidentBatches]:
        """Each seed's part of `train_batches`."""
        each = zip(
            zip(*tasks, strict=True),
            self.batch_order.generators,
            self.augmentation.generators,
            strict=True,
        )
        for mine, order, augmentation in each:
            yield batches_of(
                mine,
                batch_size=self.train_mb_size,
                device=self.device,
                generator=order,
                augmentation=augmentation,
            )

    def make_eval_dataloader(self, **kwargs: Any) -> None:
        tasks = resident_tasks(self.experience)
        self.dataloader = self._stacked(
            batches_of([task], batch_size=self.eval_mb_size, device=self.device) for task in tasks
        )

    def _stacked(self, parts: Iterable[ResidentBatches]) -> ResidentBatches:
        if self.num_seeds is None:
            (batches,) = parts
            return batches
        return StackedBatches(list(parts))
