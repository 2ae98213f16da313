"""No strategy of ours makes the host wait for a GPU in a step or a test batch: on torch's meta device that
would raise. What is read once a task is listed here.
"""

import pytest
import torch
from strategy_variants import DENSE, VARIANTS

from cl_bench.config.choices import choices
from cl_bench.conformance.meta_device import WaitsError, watched
from cl_bench.conformance.stacking import EQUAL
from cl_bench.conformance.subject import SPLIT
from cl_bench.conformance.waiting import Rehearsal, on_meta
from cl_bench.evaluation.finite_loss import FiniteLoss
from cl_bench.evaluation.scores import Scores
from cl_bench.posteriors import function_prior
from cl_bench.testing import Subject

OURS = {name: (name,) for name in choices("strategy") if name != "avalanche"}
STACKED = (
    *("finetune", "bayesbinn", "vcl", "lwf", "der_plus_plus", "replay", "online_laplace", "mesu", "ivon"),
    *("message_passing", "td_vcl"),
)


@pytest.fixture
def factorised(monkeypatch):
    """function_prior reads once a task whether its kernels could be factorised: it is told that they were."""

    def whitening(kernel, *, jitter):
        identity = torch.eye(kernel.shape[-1], dtype=kernel.dtype, device=kernel.device)
        factor, _ = torch.linalg.cholesky_ex(kernel + jitter * identity)
        return torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)

    monkeypatch.setattr(function_prior, "whitening", whitening)


@pytest.mark.parametrize("name", OURS)
def test_with_one_head_nothing_is_read_from_the_first_step_to_the_last_test(name, factorised):
    rehearsal = Rehearsal(Subject(*OURS[name]), scenario="class")
    assert rehearsal.reads_between is None
    assert (rehearsal.num_tasks, rehearsal.num_batches) == (2, 4)


@pytest.mark.parametrize("name", [name for name in OURS if name not in DENSE])
def test_nor_with_a_convolutional_network(name, factorised):
    rehearsal = Rehearsal(Subject(*OURS[name]), scenario="task", model="cnn")
    assert (rehearsal.reads_between, rehearsal.num_batches) == (None, 4)


@pytest.mark.parametrize("name", STACKED)
def test_nor_with_seeds_trained_at_once(name):
    rehearsal = Rehearsal(Subject(*OURS[name]), scenario="task", settings=EQUAL, num_seeds=2)
    assert (rehearsal.reads_between, rehearsal.num_batches) == (None, 4)


@pytest.mark.parametrize("setting", ["benchmark.augmentation=crop_flip", "benchmark=rotated_digits"])
def test_nor_by_augmentation_and_transformations(setting):
    subject = Subject("finetune", [setting])
    assert Rehearsal(subject, scenario="domain").reads_between is None


def test_a_coreset_is_chosen_by_reading_once_a_task():
    choice, *settings = VARIANTS["vcl_coreset"]
    rehearsal = Rehearsal(Subject(choice, settings), scenario="class")
    assert (rehearsal.num_steps, rehearsal.reads_between) == (0, "reads numbers of the device (nonzero)")


def test_losses_and_scores_are_read_once_an_epoch_and_once_a_test():
    run = on_meta(Subject("finetune").config(*SPLIT, model="mlp"))
    scores, finite = Scores(), FiniteLoss()
    run.strategy.plugins[:0] = [scores, finite]
    run.strategy._fits = next(iter(run.benchmark.train_stream))
    with watched(lambda: False), pytest.raises(WaitsError, match="_local_scalar_dense"):
        run.train(0)
    assert len(finite._losses) == 3  # of the whole first epoch
    scores.before_eval(run.strategy)
    run.strategy._fits = next(iter(run.benchmark.test_stream))
    run.strategy.eval_mb_size = 10
    with watched(lambda: False), pytest.raises(WaitsError, match="from the device to the host"):
        run.test(0)
    assert (scores._parts, scores.rows) == ([], [])  # once all batches were tested
