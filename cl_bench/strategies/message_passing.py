"""Belief propagation through a binary network: the posterior of each mini-batch is the prior of the next."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import torch
from torch import Tensor

from cl_bench.learner.binary import check_binary_network
from cl_bench.learner.claims import Claims
from cl_bench.learner.sampling import OwnRule
from cl_bench.learner.seed_stack import template_of
from cl_bench.learner.sign_layers import check_sign_layers, sign_layers
from cl_bench.models.heads import Heads, present
from cl_bench.posteriors import bernoulli, message_passing, sign_units
from cl_bench.posteriors.beliefs import BinaryWeights
from cl_bench.posteriors.message_passing import FORMS, Layer
from cl_bench.posteriors.prediction import log_probabilities
from cl_bench.posteriors.sign_units import Moments
from cl_bench.validation import check_choice, check_count, check_positive, check_share


class MessagePassing(OwnRule):
    """A Bernoulli posterior over binary weights, moved by the messages of posteriors/message_passing.py.

        theta <- prior_power (theta + learning_rate H)   after each batch

    H are the batch's messages to the weights. The posterior of each batch is the prior of the next (PasP), so
    that nothing happens between tasks. No gradient is taken. A prediction is the paper's Bayesian one: the
    evidences of classes in one pass forward under the posterior, divided by their sum (ours; it is 1 for two
    classes).

    It runs on dense layers of sign units without normalisation, `model.activation=sign`. Frozen layers keep
    their weights, whatever they are. In the scenario `task` an example's messages are those of the outputs of
    its head.

    Source: Lucibello, Pittorino, Perugini, Zecchina 2021, arXiv 2110.14583. What was read stands in
    posteriors/message_passing.py. For permuted MNIST they have two layers of 2001 units, and 40 epochs a
    task.

    Args:
        form: `bpi` (BP-inspired, and with one iteration the paper's BP), `amp` or `mf`. `bpi` has a slope for
            each weight and example, and is slow on a CPU.
        num_iterations: of a batch; 1 in the paper.
        damping: alpha, in [0, 1), of the means of weights from one iteration to the next, over the ends of
            batches; 0.8 in the paper.
        prior_power: rho, the power of the posterior that becomes the prior. It is 1 in the paper's continual
            learning, and 1.0001 where it learns one task. Above 1 weights grow surer by themselves.
        output_prior_power: the same of the output layer; 1 and 0.9 in the paper.
        initial_scale: epsilon; theta starts normal with this deviation, 1 in the paper. At 0 all units of a
            layer would stay alike.
        bayesian_prediction: false tests the most probable weights, by the network's own logits.
        The weight of each batch's likelihood is the learner's `learning_rate`, on its schedule (ours). 1 is
        the paper's.
    """

    stackable = True
    claims = Claims(projects=True, carries_posterior=True, networks=("dense",))
    binary = True
    kept = ("natural", "means")
    in_task = ("prior",)
    unused: ClassVar = {
        "optimizer": "its rule takes the optimizer's place",
        "momentum": "its rule takes the optimizer's place",
        "weight_decay": "its rule takes the optimizer's place",
        "optimizer_settings": "its rule takes the optimizer's place",
        "clip_norm": "its messages are bounded by themselves, and are no gradient",
        "label_smoothing": "its likelihood is that the label's output is the largest",
    }

    def __init__(
        self,
        *,
        form: str,
        num_iterations: int,
        damping: float,
        prior_power: float,
        output_prior_power: float,
        initial_scale: float,
        bayesian_prediction: bool,
        **learner: Any,
    ) -> None:
        check_choice("form", form, FORMS)
        check_count(num_iterations=num_iterations)
        check_share(damping=damping)
        check_positive(
            prior_power=prior_power, output_prior_power=output_prior_power, initial_scale=initial_scale
        )
        check_binary_network(learner["model"], "message_passing")
        check_sign_layers(learner["model"])
        super().__init__(**learner)
        self.form, self.num_iterations, self.damping = form, num_iterations, damping
        self.initial_scale, self.bayesian_prediction = initial_scale, bayesian_prediction
        outputs = self.flat.marked(self.output_heads.linear.parameters())
        self.prior_powers = prior_power + (output_prior_power - prior_power) * outputs  # [P]
        self.natural = self._first_natural()  # theta, of the next batch's prior
        self.means = self.natural.tanh()  # m of the newest iteration
        self.prior = self.natural.clone()  # theta where the task began
        self.settle()

    # The network

    @property
    def output_heads(self) -> Heads:
        """The network's heads."""
        assert self.heads is not None  # see `check_sign_layers`
        return self.heads

    def _layers(self, vector: Tensor) -> list[Layer]:
        """The layers of the network with their part of a vector of all weights; the others are fixed."""
        axes = len(self.stack.shape)
        sizes = [each[(0,) * axes].numel() for each in self.flat.parameters]
        parts: dict[Any, Tensor] = dict(zip(self.flat.parameters, vector.split(sizes, dim=-1), strict=True))
        weights = [layer.weight for layer in sign_layers(template_of(self.network))]
        return [
            Layer(parts[weight].view(weight.shape)) if weight in parts else Layer(weight.detach(), fixed=True)
            for weight in weights
        ]

    def _joined(self, parts: list[Tensor]) -> Tensor:
        """What belongs to the layers, as one vector of all weights, [P]."""
        weights = [layer.weight for layer in sign_layers(template_of(self.network))]
        by_weight = dict(zip(weights, parts, strict=True))
        return torch.cat(
            [by_weight[each].reshape(*self.stack.shape, -1) for each in self.flat.parameters], dim=-1
        )

    def _inputs(self, images: Tensor) -> Tensor:
        """Images as the first layer gets them, [B, N] or [R, B, N]."""
        body: Any = template_of(self.network).get_submodule("body")
        return body[0](images).unflatten(0, (*self.stack.shape, -1))

    def _precision(self) -> AbstractContextManager[Any]:
        half = self.logits.half
        return torch.autocast(self.device.type, torch.bfloat16) if half else nullcontext()

    # A step

    @torch.no_grad()
    def differentiate(self, **kwargs: Any) -> None:
        """Messages of the batch: -H into `flat.gradients`, and the loss of the prediction before them."""
        self._before_forward(**kwargs)
        outputs = Outputs(self.output_heads, self.head, self.mb_y, self.active_outputs())
        layers, images = self._layers(self.natural), self._inputs(self.mb_x)
        means = self._layers(self.means)
        messages = [
            message_passing.start(layer, mean.natural, batch_size=images.shape[-2])
            for layer, mean in zip(layers, means, strict=True)
        ]
        with self._precision():
            for _ in range(self.num_iterations):
                self.count_gradients(len(self.mb_y))
                messages = message_passing.sweep(
                    layers, messages, images, outputs.slope, form=self.form, damping=self.damping
                )
        assert outputs.scores is not None
        self.mb_output = outputs.scores
        self._after_forward(**kwargs)
        self.loss = self.loss + self.criterion()
        self.means = self._joined([each.weights for each in messages])
        self.flat.gradients = self._joined([-each.field for each in messages])

    def optimizer_step(self) -> None:
        new = message_passing.posterior_as_prior(
            self.natural,
            -self.flat.gradients,
            likelihood_weight=self.step_size(),
            power=self.prior_powers,
        )
        self.natural = new if self.active is None else torch.where(self.active > 0, new, self.natural)

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.prior = self.natural.clone()

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.settle()

    # Predictions, and what is believed

    def _before_eval(self, **kwargs: Any) -> None:
        self.settle()  # a test may come in the midst of a task
        super()._before_eval(**kwargs)

    def settle(self) -> None:
        self.flat.set(bernoulli.mode(self.natural))

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        if not self.bayesian_prediction:
            return super().predict(images, task)
        with self._precision():
            total = message_passing.output_sums(self._layers(self.natural), self._inputs(images))
        outputs = Outputs(self.output_heads, task, None, self.active_outputs())
        return log_probabilities(outputs.scores_of(total))

    def sampled_from(self) -> tuple[Tensor, ...]:
        return (self.natural,) if self.bayesian_prediction else ()

    def state_tensors(self) -> dict[str, Tensor]:
        """The posterior, and the means of weights where damping reads them."""
        unread = set() if self.damping else {"means"}
        return {name: part for name, part in super().state_tensors().items() if name not in unread}

    def belief(self) -> BinaryWeights:
        return BinaryWeights(self.natural)

    def present_prior(self) -> BinaryWeights:
        """The prior of the task in training."""
        return BinaryWeights(self.prior)

    def first_prior(self) -> BinaryWeights:
        return BinaryWeights(self._first_natural())

    def _first_natural(self) -> Tensor:
        return self.draws("init", self.device).normal_like(self.flat.values.data).mul_(self.initial_scale)


class Outputs:
    """The outputs of a batch's heads among those of all heads.

    Args:
        task: the head of all examples, or one for each, [B].
        labels: [B]; None in a test.
        present: the classes that there are, bool [K]; None for all.

    Attributes:
        scores: the log evidences of classes [B, K], as the first pass forward of a batch had them.
    """

    def __init__(
        self, heads: Heads, task: int | Tensor, labels: Tensor | None, present: Tensor | None
    ) -> None:
        self._heads, self._labels, self._present = heads, labels, present
        self._task = 0 if heads.num_heads == 1 else task
        self.scores: Tensor | None = None

    def slope(self, total: Moments) -> Tensor:
        """The slopes of the labels' log evidences by all outputs' sums, [B, H * K] or [R, B, H * K]."""
        assert self._labels is not None
        own = self._own(total)
        if self.scores is None:
            self.scores = self._scores(own)
        g = sign_units.class_slope(own, self._labels, self._present)
        outputs = total.mean.flatten(0, -2)
        return torch.zeros_like(outputs).scatter(1, self._columns(outputs), g).view_as(total.mean)

    def scores_of(self, total: Moments) -> Tensor:
        """The log evidences of classes, [B, K]."""
        return self._scores(self._own(total))

    def _own(self, total: Moments) -> Moments:
        return Moments(*(self._heads.select(each.flatten(0, -2), self._task) for each in total))

    def _scores(self, own: Moments) -> Tensor:
        return present(sign_units.class_scores(own, self._present), self._present)

    def _columns(self, outputs: Tensor) -> Tensor:
        """The places of the heads' outputs among all, [B, K]."""
        places = torch.arange(outputs.shape[1], device=outputs.device).expand(outputs.shape)
        return self._heads.select(places, self._task)
