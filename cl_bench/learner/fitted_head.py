"""Learners that leave the network's features as they are, and fit its output layer in closed form."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from cl_bench.learner.base import Learner
from cl_bench.learner.claims import Claims
from cl_bench.learner.flat_parameters import FlatParameters
from cl_bench.learner.forward import Forward
from cl_bench.learner.seed_stack import template_of
from cl_bench.models import Network, Task
from cl_bench.models.asked import check_axes
from cl_bench.models.frozen import freeze
from cl_bench.models.heads import Heads, present
from cl_bench.models.parameters import is_plain
from cl_bench.models.stacked import StackedNetwork
from cl_bench.posteriors import class_statistics
from cl_bench.posteriors.class_statistics import Statistics
from cl_bench.posteriors.linear_heads import Layer
from cl_bench.posteriors.prediction import log_probabilities


class FittedHead(Learner):
    """A learner of the output layer alone, from sums over examples; no gradient is taken.

    All before the output layer is frozen where it stands, and is always in eval mode. A task is one pass over
    its data, whatever training.epochs says; training.iterations can cut it short. Each head has statistics of
    its own, of the examples that are its. The layer that they determine is put into the network after a task,
    and before a test in the midst of one. The loss of a step is that of the layer that is there.

    A subclass says by `solution` which layer the statistics determine. It may change `inputs`.

    Attributes:
        full: whether all of the Gram matrix is kept, or its trace alone.
        statistics: of each head.
        stale: the heads whose layer is older than their statistics.

    Raises:
        ValueError: for a network whose output layer is not known, is no plain linear layer with a bias, or is
            frozen.
    """

    claims = Claims(projects=True, by_example=True, closed_form=True)
    mixes_heads = True
    unused: ClassVar = {
        "optimizer": "its output layer has a closed form, and takes no steps",
        "momentum": "its output layer has a closed form, and takes no steps",
        "weight_decay": "its output layer has a closed form, and takes no steps",
        "optimizer_settings": "its output layer has a closed form, and takes no steps",
        "clip_norm": "its output layer has a closed form, and there is no gradient",
        "label_smoothing": "its output layer has a closed form, of labels as they are",
        "warm_up": "its output layer has a closed form, and takes no steps",
        "patience": "each task is one pass over its data",
    }
    kept: ClassVar[tuple[str, ...]] = ("statistics",)
    in_task: ClassVar[tuple[str, ...]] = ("stale",)
    full = True

    def __init__(self, **learner: Any) -> None:
        check_output_layer(learner["model"])
        super().__init__(**learner)
        self.features = Forward(
            Body(self.network),
            compile=learner["compile"],
            precision=learner["precision"],
            device=self.device,
            channels_last=self.training_settings.channels_last,
        )
        self.statistics = [self.no_statistics() for _ in range(self.output_heads.num_heads)]
        self.stale: list[int] = []

    # What subclasses say

    def solution(self, head: int) -> Layer:
        """The layer that the statistics of a head determine."""
        raise NotImplementedError

    def inputs(self, images: Tensor) -> Tensor:
        """What the output layer gets of images: [B, F], or [R, B, F] of several seeds."""
        return self.features(images, 0)

    def learn(self, head: int, inputs: Tensor, labels: Tensor, included: Tensor | None) -> None:
        """Add examples to the statistics of a head; see `class_statistics.add`."""
        state = self.statistics[head]
        self.statistics[head] = class_statistics.add(state, self.regressors(inputs), labels, included)

    def regressors(self, inputs: Tensor) -> Tensor:
        """What statistics are taken of: the inputs, or more."""
        return inputs

    def answer(self, inputs: Tensor, task: int | Tensor) -> Tensor:
        """Logits [B, K] of inputs of the output layer."""
        return self.scores(inputs, task)

    # The output layer

    @property
    def output_heads(self) -> Heads:
        """The network's heads."""
        assert self.heads is not None  # see `check_output_layer`
        return self.heads

    @property
    def output_layer(self) -> nn.Linear:
        """The linear layer of all heads; of several seeds its weights are [R, num_heads * K, F]."""
        return last_layer(self.output_heads)

    def no_statistics(self) -> Statistics:
        """The statistics of a head without examples."""
        inputs = torch.zeros(self.output_layer.weight.shape[-1], device=self.device)
        return class_statistics.init(
            self.output_heads.num_classes,
            self.regressors(inputs).shape[-1],
            full=self.full,
            shape=self.stack.shape,
            device=self.device,
        )

    def lay_out(self, network: nn.Module) -> FlatParameters:
        template = template_of(network)
        freeze(template, ["body"])
        with torch.no_grad():
            for parameter in last_layer(template.get_submodule("heads")).parameters():
                parameter.zero_()  # nothing is known, and all classes are alike
        return super().lay_out(network)

    def scores(self, inputs: Tensor, task: int | Tensor) -> Tensor:
        """What the output layer gives of its inputs for a head, or for one each, [B, K]."""
        layer, heads = self.output_layer, self.output_heads
        outputs = inputs @ layer.weight.mT
        if layer.bias is not None:
            outputs = outputs + layer.bias.unsqueeze(-2)
        return heads.select(outputs.flatten(0, -2), 0 if heads.num_heads == 1 else task)

    def settle(self) -> None:
        """Put the layers into the network that the statistics determine."""
        layer = self.output_layer
        for head in self.stale:
            new, rows = self.solution(head), self.output_heads.rows(head)
            with torch.no_grad():
                layer.weight[..., rows, :] = new.weight.to(layer.weight.dtype)
                if layer.bias is not None:
                    layer.bias[..., rows] = new.bias.to(layer.bias.dtype)
        self.stale = []

    # A step

    def check_model_and_optimizer(self, **kwargs: Any) -> None:
        super().check_model_and_optimizer(**kwargs)
        self.train_epochs = 1

    @property
    def num_steps(self) -> int:
        """How many steps the current task has: those of one pass, or fewer."""
        one_pass = len(self.dataloader)
        return one_pass if self.iterations is None else min(self.iterations, one_pass)

    @torch.no_grad()
    def differentiate(self, **kwargs: Any) -> None:
        """The loss of the batch, without a gradient."""
        self._before_forward(**kwargs)
        self.batch_inputs = self.inputs(self.mb_x)
        self.mb_output = present(self.answer(self.batch_inputs, self.head), self.active_outputs())
        self._after_forward(**kwargs)
        self.loss = self.loss + self.criterion()

    @torch.no_grad()
    def optimizer_step(self) -> None:
        """Add the batch to the statistics of its heads."""
        labels = self.mb_y.unflatten(0, (*self.stack.shape, -1))
        of_batch = self.head
        for head in self.heads_of_task:
            included = None
            if isinstance(of_batch, Tensor) and self.output_heads.num_heads > 1:
                included = of_batch.unflatten(0, (*self.stack.shape, -1)) == head
            self.learn(head, self.batch_inputs, labels, included)
        self.stale = sorted({*self.stale, *self.heads_of_task})
        del self.batch_inputs

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        one = self.output_heads.num_heads == 1
        self.heads_of_task = [0] if one else sorted(self.heads_trained())

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.settle()

    # Predictions

    def _before_eval(self, **kwargs: Any) -> None:
        self.settle()
        super()._before_eval(**kwargs)

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        return log_probabilities(present(self.answer(self.inputs(images), task), self.active_outputs()))


class Body(nn.Module):
    """A network, or several stacked, without the output layer; called as network(images, task)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, task: Task = 0) -> Tensor:
        """Return features, [B, F]; of R stacked networks [R, B, F] of images [R * B, ...]."""
        template = template_of(self.network)
        check_axes(images, template.input_shape)  # type: ignore[arg-type]
        body = template.get_submodule("body")
        if not isinstance(self.network, StackedNetwork):
            return body(images)
        tensors = dict(body.named_parameters()) | dict(body.named_buffers())
        by_seed = images.unflatten(0, (self.network.num_seeds, -1))
        if not tensors:  # nothing in which seeds differ
            return body(images).unflatten(0, (self.network.num_seeds, -1))
        return vmap(lambda own, batch: functional_call(body, own, (batch,)))(tensors, by_seed)


def last_layer(heads: nn.Module) -> nn.Linear:
    """The layer that gives the outputs of all heads: the last one, where there are several."""
    layers: Sequence[nn.Module] = [heads.get_submodule("linear")]
    while isinstance(layers[-1], nn.Sequential):
        layers = list(layers[-1])
    assert isinstance(layers[-1], nn.Linear)
    return layers[-1]


def check_output_layer(network: nn.Module) -> None:
    """Refuse a network whose output layer nobody can tell from its features.

    Raises:
        ValueError: with what to do.
    """
    template = template_of(network)
    if not isinstance(template, Network):
        raise ValueError(
            "an output layer can be fitted on frozen features only where it is known which it is, got "
            f"{type(template).__name__}: take a network of cl_bench.models, or one that gives features, with "
            "model.heads=true"
        )
    linear = template.heads.linear
    if template.heads.normalisation is not None or not is_plain(linear, nn.Linear) or linear.bias is None:
        raise ValueError(
            "an output layer can be fitted on frozen features only where it is a plain linear layer with a "
            f"bias, got {type(linear).__name__} of a network with binary weights or layers of its own: set "
            "model.weights=real"
        )
    if not all(parameter.requires_grad for parameter in linear.parameters()):
        raise ValueError(
            "an output layer that is fitted to the data cannot stay as it is: take the heads, and '*.bias', "
            "out of model.frozen; all before them is frozen anyway"
        )
