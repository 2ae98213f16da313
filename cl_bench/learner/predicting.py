"""What a learner predicts, in tests and for whoever uses it, and what it believes of its weights."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from cl_bench.learner.adapter import Adapter
from cl_bench.learner.experiences import heads_in
from cl_bench.learner.forward import Forward
from cl_bench.learner.in_use import as_in_tests
from cl_bench.learner.weight_samples import TestSamples
from cl_bench.posteriors.beliefs import Belief, frozen_share
from cl_bench.posteriors.prediction import log_probabilities


class Predicting(Adapter):
    """The predictions of `Learner`, which a subclass changes by `predict`, and its posterior.

    Attributes:
        logits: the network, called as logits(images, task).
        test_samples: the weight samples of the test at work, which its batches share.
        tested_from: head -> `test_noise` before its newest test.
        expected_entropy: of the newest prediction, [B]; see posteriors/prediction.py.
        num_averaged: how many weight samples were averaged in it.
        in_use: whether predictions are made as in tests, see learner/in_use.py.
        input_shape: of an image of the stream that it was built for.
    """

    logits: Forward
    test_samples: TestSamples
    tested_from: dict[int, list[Tensor]]
    expected_entropy: Tensor | None = None
    num_averaged = 1
    in_use = False
    input_shape: tuple[int, ...] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "predict" in vars(cls):
            cls.predict = as_in_tests(cls.predict)  # type: ignore[method-assign]

    @as_in_tests
    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        """Log probabilities [B, K]; sampling methods average probabilities over weight samples.

        Each batch of a test draws the same from `test_noise`; `test_samples` saves doing it again. What
        averages over samples also sets `expected_entropy` and `num_averaged`. After `put_to_use` a call is as
        in tests, see learner/in_use.py.
        """
        return log_probabilities(self.logits(images, task))

    def sampled_from(self) -> Sequence[Tensor]:
        """The tensors that predictions need in place of one set of weights; none where they sample none."""
        return ()

    def settle(self) -> None:
        """Put the weights that are tested into the network, where training has others in it."""

    def belief(self) -> Belief | None:
        """The distribution over weights as it is now; None for a method that has none."""
        return None

    def first_prior(self) -> Belief | None:
        """What was believed before the first task, of the same kind."""
        return None

    def frozen_share(self) -> Tensor | None:
        """The share of weights that can hardly move any more, a scalar or [R]; None where undefined."""
        belief, prior = self.belief(), self.first_prior()
        return None if belief is None or prior is None else frozen_share(belief, prior)

    def put_to_use(self) -> None:
        """Let predictions be as in tests: see learner/in_use.py. It can be trained further."""
        self.settle()
        self.network.eval()
        self.in_use = True

    def train(self, *args: Any, **kwargs: Any) -> Any:
        used, self.in_use = self.in_use, False
        try:
            return super().train(*args, **kwargs)
        finally:
            self.in_use = used

    def _before_eval(self, **kwargs: Any) -> None:
        self.tested_from = {}
        super()._before_eval(**kwargs)

    def eval_epoch(self, **kwargs: Any) -> None:
        ours = hasattr(self.experience, "task_data")
        for head in heads_in(self.experience) if ours else (0,):
            self.tested_from.setdefault(head, self.test_noise.state())
        with self.test_samples.one_test():
            super().eval_epoch(**kwargs)
