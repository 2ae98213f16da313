"""Gradient projection memory (GPM)."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cl_bench.learner.base import Learner
from cl_bench.learner.batches import ResidentBatches
from cl_bench.learner.claims import Claims
from cl_bench.learner.second_pass import MEASURE_BATCH_SIZE
from cl_bench.learner.seed_stack import template_of
from cl_bench.models.parameters import is_plain, tied, trainable
from cl_bench.posteriors import gpm
from cl_bench.validation import check_count, check_not_negative, is_number

PATCH_ELEMENTS = 2**23  # of inputs at once: 64 MiB in float64


class Layer(NamedTuple):
    """The weight of a linear layer or a convolution, and its bias where that is trained."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    @property
    def parts(self) -> list[nn.Parameter]:
        return [self.weight] if self.bias is None else [self.weight, self.bias]


class GPM(Learner):
    """Fine-tuning whose steps are orthogonal to what each layer was given by old tasks.

        G <- G - G M   for the gradient G [O, Q] of each linear layer and convolution

    M projects on the leading directions of the layer's inputs in old tasks, see posteriors/gpm.py. They are
    measured after each task, in eval mode and without augmentation. An optimizer such as Adam scales each
    weight on its own, and so leaves the orthogonal space again. So the step is projected as well as the
    gradient (ours). It changes nothing in plain SGD, which the paper takes.

    All other parameters, such as scales of normalisation layers, stay after the first task as they are, as in
    the authors' code. Running statistics of batch norm go on. One head per task needs no protection from
    other tasks: such heads are trained freely. A single head is projected like any layer.

    M takes Q^2 numbers a layer, whatever its rank. Q is C k k / groups of a convolution, and one more with a
    bias. Stored bits count them.

    Source: Saha et al. 2021.

    Args:
        threshold: the share of the energy of a layer's inputs whose directions are kept, in [0, 1]. 0 is
            fine-tuning. With 1 outputs for the inputs measured do not change any more.
        threshold_step: by how much it grows from task to task, up to 1.
        num_examples: of each task, drawn at random, whose inputs are measured; all where it has fewer.
    """

    stackable = True
    claims = Claims(first_task_is_finetuning=True, off={"threshold": 0.0}, by_example=True)
    kept = ("projectors",)

    def __init__(self, *, threshold: float, threshold_step: float, num_examples: int, **learner: Any) -> None:
        if not (is_number(threshold) and 0 <= threshold <= 1):
            raise ValueError(f"threshold must be a number from 0 to 1, got {threshold=}")
        check_not_negative(threshold_step=threshold_step)
        check_count(num_examples=num_examples)
        super().__init__(**learner)
        self.threshold, self.threshold_step = threshold, threshold_step
        self.num_measured = num_examples
        self.names = self._names_of_layers()
        network = template_of(self.network)
        biases = [network.get_submodule(name).bias for name in self.names]
        self.with_bias = [isinstance(each, nn.Parameter) and each.requires_grad for each in biases]
        joined = [self._joined([each.detach() for each in layer.parts]) for layer in self._layers()]
        self.projectors = [
            each.new_zeros((*self.stack.shape, each.shape[-1], each.shape[-1])) for each in joined
        ]

    # What is projected

    def _names_of_layers(self) -> list[str]:
        """The names of linear layers and convolutions that are trained, but for heads of several tasks."""
        network = template_of(self.network)
        shared = tied(network)
        names = []
        for name, module in network.named_modules():
            known = is_plain(module, nn.Linear) or is_plain(module, nn.Conv2d)
            if not known or not module.weight.requires_grad or self._is_of_one_task(module):
                continue
            if module.weight in shared or module.bias in shared:
                raise ValueError(
                    "GPM keeps the inputs of each layer on their own, so that two layers cannot share a "
                    f"weight, got {name} with one that is in several places: give each layer its own, or "
                    "freeze it (requires_grad=False)"
                )
            names.append(name)
        return names

    def _is_of_one_task(self, module: nn.Module) -> bool:
        heads = self.heads
        return heads is not None and heads.num_heads > 1 and any(each is module for each in heads.modules())

    def _layers(self) -> Iterator[Layer]:
        """The layers as the network has them now; somebody may have given it other parameters."""
        network = template_of(self.network)
        for name, with_bias in zip(self.names, self.with_bias, strict=True):
            module: Any = network.get_submodule(name)
            yield Layer(module.weight, module.bias if with_bias else None)

    def _others(self) -> list[nn.Parameter]:
        """The parameters that stand still after the first task."""
        free = {part for layer in self._layers() for part in layer.parts}
        if self.heads is not None and self.heads.num_heads > 1:
            free |= set(self.heads.parameters())
        return [each for each in trainable(template_of(self.network)).values() if each not in free]

    def _joined(self, parts: Sequence[Tensor]) -> Tensor:
        """A weight with its bias as a last column, [O, Q], or [R, O, Q] of stacked seeds."""
        axes = len(self.stack.shape)
        weight = parts[0].flatten(axes + 1)
        return torch.cat([weight, *(part.unsqueeze(-1) for part in parts[1:])], dim=-1)

    def _complement(self, parts: Sequence[Tensor], projector: Tensor) -> list[Tensor]:
        """What is left of a layer's weight and bias, or of a change of them, each in its shape."""
        left = gpm.complement(self._joined(parts), projector)
        sizes = [left.shape[-1] - len(parts) + 1, *[1] * (len(parts) - 1)]
        return [new.reshape(part.shape) for new, part in zip(left.split(sizes, -1), parts, strict=True)]

    # The steps

    @property
    def _projects(self) -> bool:
        return self.threshold > 0 and self.tasks_learned > 0

    def project_gradients(self) -> None:
        super().project_gradients()
        if not self._projects:
            return
        self.flat.relink()
        for layer, projector in zip(self._layers(), self.projectors, strict=True):
            gradients = [part.grad for part in layer.parts if part.grad is not None]
            for gradient, left in zip(gradients, self._complement(gradients, projector), strict=True):
                gradient.copy_(left)
        for parameter in self._others():
            if parameter.grad is not None:
                parameter.grad.zero_()

    def optimizer_step(self) -> None:
        if not self._projects:
            super().optimizer_step()
            return
        layers, others = list(self._layers()), self._others()
        before = {part: part.detach().clone() for layer in layers for part in layer.parts}
        still = [each.detach().clone() for each in others]
        super().optimizer_step()
        with torch.no_grad():
            for layer, projector in zip(layers, self.projectors, strict=True):
                steps = [part - before[part] for part in layer.parts]
                for part, left in zip(layer.parts, self._complement(steps, projector), strict=True):
                    part.copy_(before[part] + left)
            for parameter, values in zip(others, still, strict=True):
                parameter.copy_(values)

    # The memory

    def _after_training_exp(self, **kwargs: Any) -> None:
        threshold = min(1.0, self.threshold + self.threshold_step * self.tasks_learned)
        super()._after_training_exp(**kwargs)
        if self.threshold == 0:
            return
        look = partial(
            _moments,
            names=self.names,
            with_bias=self.with_bias,
            sizes=[each.shape[-1] for each in self.projectors],
            num_examples=self.num_measured,
        )
        by_seed = self.measure(look, gradients=lambda num_outputs: 0)
        self.projectors = [
            gpm.extended(projector, self.join_seeds(moments), threshold=threshold)
            for projector, *moments in zip(self.projectors, *by_seed, strict=True)
        ]


def _moments(
    network: nn.Module,
    batches: ResidentBatches,
    *,
    generator: torch.Generator,
    names: Sequence[str],
    with_bias: Sequence[bool],
    sizes: Sequence[int],
    num_examples: int,
) -> list[Tensor]:
    """The sums of x x^T over the inputs of each layer, float64 [Q, Q], for examples drawn at random."""
    modules = [network.get_submodule(name) for name in names]
    device = batches.pixels.device
    sums = [torch.zeros(size, size, dtype=torch.float64, device=device) for size in sizes]

    def look(index: int, module: Any, given: tuple[Tensor, ...]) -> None:
        images = given[0] if isinstance(module, nn.Conv2d) else given[0].flatten(0, -2)
        size = max(1, PATCH_ELEMENTS // _numbers(module, images[0]))
        for part in images.split(size):
            rows = gpm.inputs_of(module, part, with_one=with_bias[index]).double()
            sums[index] += rows.mT @ rows

    hooks = [module.register_forward_pre_hook(partial(look, index)) for index, module in enumerate(modules)]
    order = torch.randperm(batches.num_examples, generator=generator, device=generator.device)
    try:
        with torch.no_grad():
            for positions in order[:num_examples].split(MEASURE_BATCH_SIZE):
                images, _, task = batches.at(positions)
                network(images, task)
    finally:
        for hook in hooks:
            hook.remove()
    return sums


def _numbers(module: Any, one: Tensor) -> int:
    """Estimate how many numbers the inputs of one example are."""
    area = module.kernel_size[0] * module.kernel_size[1] if isinstance(module, nn.Conv2d) else 1
    return area * one.numel()
