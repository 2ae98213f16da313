"""What every strategy is made of: a training step over one flat vector of weights.

`Learner.training_epoch` is the loop. Its parts have files of their own:

    flat_parameters.py    all weights, and their gradients, as one vector
    training_settings.py  the settings of conf/training, and their rules
    forward.py, adam.py   how the network is called, and how the optimizer steps
    optimizers.py         which optimizers work on one vector, and clipping
    schedule.py           the learning rate of each step
    early_stopping.py     when a task ends, and with which weights
    step_events.py        Avalanche's plugins, told what happens in a step
    adapter.py            what Avalanche asks for around the steps: seeds, batches, epochs
    predicting.py         what is predicted, in tests and in use, and what the method believes
    state.py              where a learner stands, so that it is stopped and resumes
    links.py              checks that what is trained is what the network computes with
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cl_bench.deferred import deferred
from cl_bench.learner.adam import adam_step
from cl_bench.learner.claims import Claims
from cl_bench.learner.devices import as_device
from cl_bench.learner.drawn_like import masks_of
from cl_bench.learner.early_stopping import EarlyStopping
from cl_bench.learner.experiences import heads_in
from cl_bench.learner.flat_parameters import FlatParameters
from cl_bench.learner.forward import Forward
from cl_bench.learner.links import TaskFree, check_links, check_outputs, check_size, check_stackable
from cl_bench.learner.no_metrics import NoMetrics
from cl_bench.learner.optimizers import check_elementwise, clip_norm, optimizer_of_vector
from cl_bench.learner.output_heads import WITHOUT_HEADS, rows_of_others
from cl_bench.learner.predicting import Predicting
from cl_bench.learner.schedule import factor, set_rate
from cl_bench.learner.seed_stack import SeedStack
from cl_bench.learner.seeds import Seeds
from cl_bench.learner.smoothed_loss import SmoothedLoss
from cl_bench.learner.step_events import Listeners
from cl_bench.learner.training_settings import TrainingSettings, takes_training_settings
from cl_bench.learner.weight_samples import TestSamples
from cl_bench.models import Network
from cl_bench.models.parameters import check_parameters, trainable
from cl_bench.models.stacked import StackedNetwork
from cl_bench.validation import check_unused

with deferred():
    from avalanche.core import BasePlugin
    from avalanche.training.plugins import EvaluationPlugin

log = logging.getLogger(__name__)


class Learner(Predicting):
    """Base of the suite's strategies: an Avalanche `SupervisedTemplate` whose weights are one flat vector.

    `training_epoch` is the training loop. A subclass changes what it needs: `differentiate` (gradients of one
    batch), `project_gradients`, `optimizer_step`, `predict` (log probabilities), Avalanche's hooks around
    tasks, and `belief` and `first_prior` if it has a posterior. It names what it keeps in `kept` and
    `in_task`.

    Several seeds can be trained at once: with a `StackedNetwork` of R networks and R `Seeds`, batches hold
    the seeds' examples one after another, [R * B, ...]. Weights, gradients and whatever is computed from them
    have a leading axis, [R, P]. Arithmetic that works element by element, and random numbers from `noise`,
    need no change for it; `each_seed` is for what must be done one by one.

    Args:
        model: `cl_bench.models.Network`, a `StackedNetwork`, or any network whose parameters do not grow.
        device: where weights and data live; a name as in training.device, or torch's.
        compile: run the network through `torch.compile`; the last digits of results may differ.
        training: the settings of `TrainingSettings`, see learner/training_settings.py.
        seeds: of the generators for batches, augmentation, noise and testing; one for each stacked network.
        plugins, evaluator: Avalanche's own, for whoever wants them.

    Attributes:
        claims: what `cl-bench check` holds it to; see learner/claims.py.
        unused: settings of training that came later and that it does not use, each with the reason. They are
            refused where they are given.
        stackable: whether several seeds can be trained at once; each class says so for itself.
        binary: whether the weights of the tested network are -1 and +1, so that one bit holds each.
        mixes_heads: whether a task may have examples of other tasks' heads, as with `blur`.
        may_freeze_later: whether parameters may be frozen (`requires_grad_(False)`) after it was built; not
            where a class keeps numbers of every weight.
        notes: what a reader of the results must know of the run, in sentences.

    Raises:
        ValueError: for a setting out of range, by name.
        TypeError: for a model whose parameters grow (Avalanche's dynamic modules).
    """

    claims = Claims()
    unused: ClassVar[Mapping[str, str]] = {}
    stackable = False
    binary = False
    mixes_heads = True
    may_freeze_later = True
    notes: tuple[str, ...] = ()

    loss: Tensor
    steps_taken = 0  # of the current task
    _trained: Tensor | None = None  # mask of what the optimizer may move; None: all
    _fits: Any = None  # the experience whose classes the network's outputs were compared with

    @takes_training_settings
    def __init__(
        self,
        *,
        model: nn.Module,
        device: torch.device | str,
        compile: bool,
        seeds: Seeds | Sequence[Seeds],
        plugins: Sequence[BasePlugin] = (),
        evaluator: EvaluationPlugin | None = None,
        **training: Any,
    ) -> None:
        self.training_settings = settings = TrainingSettings(**training)
        check_unused(training, self.unused)
        check_elementwise(settings)
        check_size(model)
        check_parameters(model)
        device = as_device(device)
        ours = isinstance(model, Network | StackedNetwork)
        self.network: nn.Module = (model if ours else TaskFree(model)).to(device)
        self.stack = SeedStack(self.network, seeds)
        if self.stack.shape:
            check_stackable(type(self), plugins, patience=settings.patience)
        self.batch_order = self.draws("batches", "cpu")
        self.augmentation = self.draws("augmentation", device)
        self.noise = self.draws("noise", device)
        self.test_noise = self.draws("test", device)
        self.masks = masks_of(self.network, lambda: self.draws("dropout", device))
        self.test_samples = TestSamples(self.test_noise)
        self.flat = self.lay_out(self.network)
        self.flat.follow(self.network)
        self.logits = Forward(  # (images, task) -> [B, K]
            self.network,
            compile=compile,
            precision=settings.precision,
            device=device,
            channels_last=settings.channels_last,
            count=self.count_gradients,
        )
        self.schedule, self.learning_rate = settings.schedule, settings.learning_rate
        self.keeps_optimizer = settings.optimizer_state == "kept"
        self.only_seen_classes, self.iterations = settings.active_classes == "seen", settings.iterations
        self.tested_from: dict[int, list[Tensor]] = {}  # head -> `test_noise` before its newest test
        self.early_stopping = EarlyStopping(settings.patience) if settings.patience else None
        self.listeners = Listeners()
        super().__init__(
            model=self.network,
            optimizer=self.new_optimizer(),
            criterion=SmoothedLoss(settings.label_smoothing, self.active_outputs),
            train_mb_size=settings.batch_size,
            train_epochs=settings.epochs,
            eval_mb_size=settings.test_batch_size,
            device=device,
            plugins=list(plugins),
            evaluator=evaluator or NoMetrics(),
        )

    # A training step

    def training_epoch(self, **kwargs: Any) -> None:
        self.check_links()
        self.listeners.ask_anew(self.plugins)
        num_steps = self.num_steps
        for self.mbatch in self.dataloader:  # noqa: B020 (Avalanche's own idiom)
            if self._stop_training or self.steps_taken == num_steps:
                break
            self._unpack_minibatch()
            self._before_training_iteration(**kwargs)
            self.flat.zero_gradients()
            self.loss = self._make_empty_loss()
            self.differentiate(**kwargs)
            self.project_gradients()
            self._before_update(**kwargs)
            self.clip_gradients()
            self.set_step_size()
            frozen = self.flat.values_frozen_since()
            self.optimizer_step()
            self.flat.put_back(frozen)
            self.steps_taken += 1
            self._after_update(**kwargs)
            self._after_training_iteration(**kwargs)
            if self.after_step is not None:
                self.after_step()
        self.check_links()

    def differentiate(self, **kwargs: Any) -> None:
        """Forward and backward pass of the batch: gradients of its mean loss into `flat.gradients`."""
        self._before_forward(**kwargs)
        self.mb_output = self.forward()
        self._after_forward(**kwargs)
        self.loss = self.loss + self.criterion()
        self._before_backward(**kwargs)
        self.backward()
        self._after_backward(**kwargs)

    def forward(self) -> Tensor:
        """Logits of the batch in training [B, K], log probabilities in tests."""
        if self.is_training:
            return self.logits(self.mb_x, self.head)
        self.test_samples.rewind()
        self.expected_entropy = None
        return self.predict(self.mb_x, self.head)

    def criterion(self) -> Tensor:
        """The mean loss of the batch; in training the sum over stacked seeds of each one's mean."""
        if self.experience is not self._fits:  # once a task
            check_outputs(self.mb_output, self.labels_of_task(), in_test=not self.is_training)
            self._fits = self.experience
        if not self.is_training:  # predictions are log probabilities
            return F.nll_loss(self.mb_output, self.mb_y)
        loss = super().criterion()
        return loss * self.num_seeds if self.stack.shape else loss

    def project_gradients(self) -> None:
        """Change `flat.gradients` [P] of the batch's loss to what the step shall follow.

        It is the place for projections (A-GEM, GEM, OGD) and clipping, whose result is no longer the gradient
        of a loss.
        """

    def clip_gradients(self) -> None:
        """Limit the norm of each seed's `flat.gradients`, as training.clip_norm says."""
        if self.training_settings.clip_norm is not None:
            clip_norm(self.stack.split(self.flat.gradients), self.training_settings.clip_norm)

    def optimizer_step(self) -> None:
        """Move the weights by `flat.gradients`; heads that the task does not train stand still."""
        self.flat.relink()
        vector = self.optimized()
        before = None if self._trained is None else vector.data.clone()
        adam_step(self.optimizer, vector)
        if before is not None and self._trained is not None:
            vector.data.copy_(torch.where(self._trained > 0, vector.data, before))

    # The weights and their optimizer

    def lay_out(self, network: nn.Module) -> FlatParameters:
        """The parameters as one vector; a subclass may replace layers of `network` first."""
        return FlatParameters(trainable(network).values(), self.stack.shape)

    @property
    def num_weights(self) -> int:
        """The number of weights P of one network."""
        return len(self.flat)

    def optimized(self) -> nn.Parameter:
        """The vector that the optimizer moves, with its gradient in `.grad`."""
        return self.flat.values

    def new_optimizer(self) -> torch.optim.Optimizer:
        """An optimizer of `optimized()`, for the first task or for each one."""
        vector, rate = self.optimized(), self.learning_rate
        return optimizer_of_vector(self.training_settings, vector, learning_rate=rate)

    @property
    def num_steps(self) -> int:
        """How many steps the current task has."""
        return self.train_epochs * len(self.dataloader) if self.iterations is None else self.iterations

    def step_size(self) -> float:
        """The learning rate of the current step, by the schedule."""
        warm_up = self.training_settings.warm_up
        if self.schedule == "constant" and not warm_up:
            return self.learning_rate
        return self.learning_rate * factor(
            self.schedule,
            step=self.steps_taken,
            num_steps=self.num_steps,
            steps_per_epoch=len(self.dataloader),
            warm_up=warm_up,
        )

    def set_step_size(self) -> None:
        """Set the optimizer's learning rate where the schedule changes it.

        Raises:
            ValueError: where something else changes it, too.
        """
        rate = self.step_size()
        set_rate(self.optimizer, rate, first=self.learning_rate, schedule=self.schedule)

    def check_links(self) -> None:
        """See, before and after each epoch, that what is trained is what the network computes with.

        Raises:
            ValueError: that names what has changed, and what to do.
        """
        check_links(self)

    # The data of a task

    def check_model_and_optimizer(self, **kwargs: Any) -> None:
        """Begin a task: the optimizer is new unless its state is kept, and outputs may be switched on.

        (Avalanche's own would drop its state and ours at the first task.)
        """
        if not self.keeps_optimizer:
            self.optimizer = self.new_optimizer()
        self.steps_taken = self.gradient_evaluations = 0
        others = rows_of_others(self.heads, self.heads_trained())
        self._trained = self.flat.mask(others) if others and self.training_settings.moves_by_itself else None
        if self.heads is None and max(heads_in(self.experience)) > 0 and not self.notes:
            self.notes = (WITHOUT_HEADS,)
            log.warning(WITHOUT_HEADS)
        if self.iterations is not None:
            self.train_epochs = -(-self.iterations // len(self.dataloader))
        if self.only_seen_classes:
            self.activate_classes()
