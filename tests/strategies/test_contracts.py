"""What every strategy of the suite must do beside what the kit asks of anybody's (tests/testing)."""

import math
from typing import Any

import pytest
import strategy_variants
import torch
from avalanche.core import SupervisedPlugin

from cl_bench.config.choices import choices
from cl_bench.evaluation.states import deployed_bits, stored_bits
from cl_bench.records.rows import Record, State
from cl_bench.strategies import Learner

SUBJECTS = {
    name: (f"strategy={choice}", *settings)
    for name, (choice, *settings) in strategy_variants.SUBJECTS.items()
}
OURS = [name for name in SUBJECTS if not name.startswith("avalanche")]

SPLIT = ("benchmark=split_digits", "benchmark.num_tasks=2")
BINARY = (
    *("adaste", "bayesbinn", "bimu", "bop", "message_passing", "straight_through"),
    "synaptic_metaplasticity",
)
WITH_POSTERIOR = (
    *("bayesbinn", "bimu", "covon", "gvcl", "ivon", "mesu", "message_passing", "online_laplace_diagonal"),
    *("td_vcl", "ucb", "vcl"),
)
SAMPLED = ("bayesbinn", "bimu", "covon", "gvcl", "ivon", "mesu", "td_vcl", "ucb", "vcl")


@pytest.mark.parametrize("name", OURS)
def test_the_optimizer_is_new_for_each_task(lab, name):
    run = lab.from_conf(*SUBJECTS[name], *SPLIT)
    found = OptimizersOf(run.strategy)
    run.train()
    assert len(found.optimizers) == 2
    assert found.optimizers[0] is not found.optimizers[1]
    assert found.had_state == [False, False]


@pytest.mark.parametrize("name", choices("strategy"))
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("batch_size", 0),
        ("test_batch_size", -3),
        ("learning_rate", 0.0),
        ("learning_rate", -0.1),
        ("optimizer", "lbfgs"),
        ("schedule", "step"),
    ],
)
def test_a_training_setting_out_of_range_is_named_with_its_value(lab, name, setting, value):
    with pytest.raises(ValueError, match=rf"{setting} must be .*{setting}='?{value}"):
        lab.from_conf(*SUBJECTS[name], f"training.{setting}={value}")


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("a_gem", "memory_size", 0),
        ("a_gem", "buffer", "newest"),
        ("a_gem", "buffer_batch_size", -1),
        ("ewc", "strength", -1.0),
        ("ewc", "mode", "both"),
        ("ewc", "decay", -0.1),
        ("ewc", "decay", 1.1),
        ("ewc", "fisher_estimator", "batch"),
        ("er_ace", "replay_share", 1.0),
        ("er_ace", "current_classes", "none"),
        ("gpm", "threshold", -0.1),
        ("gpm", "threshold", 1.1),
        ("gpm", "threshold_step", -0.1),
        ("gpm", "num_examples", 0),
        ("gvcl", "strength", -1.0),
        ("l2", "strength", -1.0),
        ("lwf", "strength", -1.0),
        ("lwf", "temperature", 0.0),
        ("lwf", "weighting", "none"),
        ("mas", "strength", -1.0),
        ("online_laplace", "strength", -1.0),
        ("online_laplace", "prior_precision", 0.0),
        ("online_laplace", "structure", "full"),
        ("online_laplace", "memory", "none"),
        ("online_laplace", "fisher_estimator", "batch"),
        ("si", "strength", -1.0),
        ("si", "damping", 0.0),
        ("td_vcl", "num_posteriors", 0),
        ("td_vcl", "decay", -0.1),
        ("td_vcl", "decay", 1.1),
        ("td_vcl", "replay_share", 0.0),
        ("td_vcl", "replay_share", 1.0),
        ("td_vcl", "memory_size", 0),
        ("td_vcl", "memory_tasks", 0),
        ("td_vcl", "buffer", "newest"),
        ("ucb", "power", -1.0),
        ("ucb", "kl_weight", -1.0),
        ("vcl", "kl_weight", -1.0),
        ("vcl", "prior_variance", 0.0),
        ("vcl", "initial_mean_deviation", 0.0),
        ("vcl", "coreset", "all"),
        ("vcl", "coreset_size", 0),
        ("vcl", "coreset_epochs", 0),
        ("vcl", "num_samples", 0),
        ("vcl", "num_test_samples", 0),
        ("bayesbinn", "temperature", 0.0),
        ("bayesbinn", "initial_magnitude", -1.0),
        ("bayesbinn", "num_samples", 0),
        ("bayesbinn", "num_test_samples", -1),
        ("bayesbinn", "kl_weight", -1.0),
        ("bayesbinn", "momentum", 1.0),
        ("bayesbinn", "momentum", -0.5),
        ("bayesbinn", "variant", "both"),
        ("bayesbinn", "max_slope", 0.0),
        ("replay", "memory_size", 0),
        ("replay", "memory_size", 2.5),
        ("replay", "buffer", "newest"),
        ("replay", "replay_share", 1.0),
        ("replay", "replay_share", -0.1),
        ("der", "memory_size", 0),
        ("der", "alpha", -1.0),
        ("der", "beta", -0.5),
        ("der", "buffer_batch_size", 0),
        ("function_prior", "strength", -1.0),
        ("function_prior", "memory_size", 0),
        ("function_prior", "selection", "newest"),
        ("function_prior", "prior_precision", 0.0),
        ("function_prior", "jitter", 0.0),
        ("gdumb", "memory_size", 0),
        ("gdumb", "epoch", "year"),
        ("bimu", "temperature", 0.0),
        ("bimu", "initial_scale", -1.0),
        ("bimu", "num_samples", 0),
        ("bimu", "num_test_samples", -1),
        ("bimu", "likelihood_weight", 0.0),
        ("bimu", "kl_weight", -1.0),
        ("bimu", "memory_window", 0),
        ("bimu", "max_step", 0.0),
        ("covon", "mean_share", 1.5),
        ("covon", "precision_share", -0.1),
        ("ivon", "kl_weight", 0.0),
        ("ivon", "first_kl_weight", 0.0),
        ("ivon", "prior_variance", 0.0),
        ("ivon", "initial_curvature", -1.0),
        ("ivon", "gradient_momentum", 1.0),
        ("ivon", "curvature_momentum", 1.0),
        ("ivon", "clip", 0.0),
        ("ivon", "num_samples", 0),
        ("ivon", "num_test_samples", -1),
        ("message_passing", "form", "bp"),
        ("message_passing", "num_iterations", 0),
        ("message_passing", "damping", 1.0),
        ("message_passing", "prior_power", 0.0),
        ("message_passing", "output_prior_power", -1.0),
        ("message_passing", "initial_scale", 0.0),
        ("mesu", "num_samples", 0),
        ("mesu", "num_test_samples", -1),
        ("mesu", "initial_deviation", 0.0),
        ("mesu", "deviation_learning_rate", -1.0),
        ("mesu", "prior_deviation", 0.0),
        ("mesu", "memory_window", 0),
        ("mesu", "clip", -0.1),
        ("synaptic_metaplasticity", "meta", -1.0),
        ("bayesian_linear", "prior_precision", 0.0),
        ("bayesian_linear", "noise_precision", -1.0),
        ("ranpac", "num_features", 0),
        ("ranpac", "ridge", 0.0),
        ("streaming_lda", "shrinkage", 0.0),
        ("streaming_lda", "shrinkage", 1.0),
        ("streaming_lda", "shrink_to", "nothing"),
        ("streaming_lda", "class_priors", "mine"),
        ("bop", "threshold", -1.0),
        ("adaste", "a", 0.0),
        ("adaste", "initial_b", 0.0),
        ("adaste", "final_b", 0.001),
        ("adaste", "small_gradient", -1.0),
    ],
)
def test_a_setting_of_a_method_out_of_range_is_named_with_its_value(lab, name, setting, value):
    with pytest.raises(ValueError, match=rf"{setting} must be .*{setting}='?{value}"):
        lab.from_conf(f"strategy={name}", f"strategy.{setting}={value}")


@pytest.mark.parametrize("name", BINARY)
def test_a_binary_method_refuses_a_network_with_biases_and_says_what_to_set(lab, name):
    with pytest.raises(ValueError, match=r"model\.weights=binary, got parameter .* of shape \(12,\)"):
        lab.from_conf(f"strategy={name}", "model.weights=real")


@pytest.mark.parametrize("name", OURS)
def test_a_precision_that_does_not_exist_is_named_with_the_choices(lab, name):
    with pytest.raises(ValueError, match=r"precision must be one of float32, tf32, bfloat16, .*'half'"):
        lab.from_conf(*SUBJECTS[name], "training.precision=half")


@pytest.mark.parametrize("name", OURS)
def test_in_lower_precision_it_learns_nearly_the_same(lab, name):
    full, half = (
        lab.outcome(*SUBJECTS[name], *SPLIT, f"training.precision={precision}")
        for precision in ("float32", "bfloat16")
    )
    assert full.weights != half.weights
    for record, expected in zip(half.records, full.records, strict=True):
        # a rounding may turn the sign of a binary weight; the others differ by 1 %
        assert record.nll == pytest.approx(expected.nll, rel=0.3 if name.startswith(BINARY) else 0.05)


def test_every_strategy_of_ours_is_a_learner(lab):
    for name in OURS:
        assert isinstance(lab.from_conf(*SUBJECTS[name], *SPLIT).strategy, Learner)


@pytest.mark.parametrize("name", SUBJECTS)
def test_its_states_are_measured_after_every_task(lab, name):
    run = lab.from_conf(*SUBJECTS[name], "benchmark=permuted_digits", "benchmark.num_tasks=3")
    with lab.seeded():
        found = [row for rows in run.measurements() for row in rows]
    states = [row for row in found if isinstance(row, State)]
    assert [state.after_task for state in states] == [0, 1, 2, 3]
    assert all(state.num_steps > 0 and state.training_seconds > 0 for state in states[1:])
    assert [math.isnan(state.ood_auroc) for state in states] == [True, False, False, True]
    assert all(0 < state.deployed_bits <= state.stored_bits for state in states)
    assert (not math.isnan(states[1].drift)) == name.startswith(WITH_POSTERIOR)
    if name.startswith(WITH_POSTERIOR):
        assert all(state.drift > 0 for state in states[1:])
        assert all(0 <= state.frozen <= 1 for state in states)
    records = [each for each in found if isinstance(each, Record)]
    sampled = name.startswith(SAMPLED) and "published" not in name and not name.endswith("bimu_samples")
    for record in records:
        assert 0 <= record.ece <= 1
        assert 0 <= record.brier <= 2
        assert 0 <= record.entropy <= math.log(10) + 1e-9
        assert math.isnan(record.mutual_information) != sampled
        assert not sampled or 0 <= record.mutual_information <= 2 * record.entropy
    if sampled:
        assert any(record.mutual_information > 0 for record in records)


@pytest.mark.parametrize("name", BINARY)
def test_a_deployed_binary_weight_is_one_bit(lab, name):
    run = lab.from_conf(f"strategy={name}", *SPLIT)
    num_weights = sum(parameter.numel() for parameter in run.strategy.network.parameters())
    assert not list(run.strategy.network.buffers())
    assert deployed_bits(run.strategy) == num_weights
    assert stored_bits(run.strategy) >= 2 * 32 * num_weights, "the network as it is, and what it is made from"


def test_a_deployed_gaussian_weight_is_its_mean(lab):
    plain, vcl, mesu = (
        deployed_bits(lab.from_conf(f"strategy={name}", *SPLIT).strategy) for name in ("ewc", "vcl", "mesu")
    )
    assert plain == vcl == mesu


def test_joint_training_stores_all_examples_so_far(lab):
    run = lab.from_conf("strategy=joint", *SPLIT)
    before = stored_bits(run.strategy)
    for task, data in enumerate(run.stream.train):
        run.train(task)
        # 64 pixels, a label and a head
        before += len(data) * (64 * 8 + 2 * 64)
        assert stored_bits(run.strategy) == before


class OptimizersOf(SupervisedPlugin):
    """The optimizer at the start of each task, and whether it had a state by then."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.optimizers: list[torch.optim.Optimizer] = []
        self.had_state: list[bool] = []
        strategy.plugins.insert(0, self)

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.optimizers.append(strategy.optimizer)
        self.had_state.append(bool(strategy.optimizer.state))
