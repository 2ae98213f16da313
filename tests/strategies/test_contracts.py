"""What every strategy in conf/strategy must do, whoever wrote it; found by listing the folder."""

import math
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin

from cl_bench.choices import choices
from cl_bench.records import Record
from cl_bench.strategies import Learner
from cl_bench.training.experiment import AfterTask, weights_sha256
from cl_bench.training.states import deployed_bits, stored_bits

# settings that take another path through the code than the defaults do
VARIANTS = {
    "avalanche_replay": (
        "strategy=avalanche",
        "strategy.path=avalanche.training.Replay",
        "+strategy.settings.mem_size=20",
    ),
    "bimu_samples": ("strategy=bimu", "strategy.num_samples=2", "strategy.num_test_samples=0"),
    "bayesbinn_momentum": ("strategy=bayesbinn", "strategy.num_samples=2", "strategy.momentum=0.5"),
    "der_compute_matched": ("strategy=der_plus_plus", "strategy.compute_matched=true"),
    "ewc_online_sampled": ("strategy=ewc", "strategy.mode=online", "strategy.fisher_estimator=sampled"),
    "function_prior_random": ("strategy=function_prior", "strategy.selection=random"),
    "gdumb_epoch_of_task": ("strategy=gdumb", "strategy.epoch=task", "strategy.buffer=reservoir"),
    "joint_without_restart": ("strategy=joint", "strategy.restart=false"),
    "replay_class_balanced": ("strategy=replay", "strategy.buffer=class_balanced"),
    "mesu_samples": ("strategy=mesu", "strategy.num_samples=2", "strategy.clip=null"),
    "lwf_by_task": ("strategy=lwf", "strategy.weighting=by_task"),
    "online_laplace_diagonal": ("strategy=online_laplace", "strategy.structure=diagonal"),
    "online_laplace_merged": ("strategy=online_laplace", "strategy.memory=merged"),
    "vcl_coreset": ("strategy=vcl", "strategy.coreset=k_center"),
    "vcl_restart": ("strategy=vcl", "strategy.restart=true"),
}
SUBJECTS = {name: (f"strategy={name}",) for name in choices("strategy")} | VARIANTS
OURS = [name for name in SUBJECTS if not name.startswith("avalanche")]

# these show old examples, or their own earlier answers, to old heads
REHEARSE = (
    "lwf",
    "lwf_by_task",
    "joint",
    "joint_without_restart",
    "replay",
    "replay_class_balanced",
    "agem",
    "der",
    "der_plus_plus",
    "der_compute_matched",
    "gdumb",
    "gdumb_epoch_of_task",
    "function_prior",
    "function_prior_random",
)

SPLIT = ("benchmark=split_digits", "benchmark.num_tasks=2")
# with statistics that a test could disturb
BATCH_NORM = (*SPLIT, "model.normalisation=batch")
BINARY = ("adaste", "bayesbinn", "bimu", "bop", "straight_through", "synaptic_metaplasticity")
WITH_POSTERIOR = ("bayesbinn", "bimu", "gvcl", "mesu", "online_laplace_diagonal", "vcl")
SAMPLED = ("bayesbinn", "bimu", "gvcl", "mesu", "vcl")
AGAINST_FORGETTING = (
    *("ewc", "gvcl", "l2", "lwf", "mas", "online_laplace", "si", "vcl", "bayesbinn"),
    *("replay", "der", "der_plus_plus", "gdumb", "function_prior"),
)


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
@pytest.mark.parametrize("model", ["mlp", "cnn"])
@pytest.mark.parametrize("name", SUBJECTS)
def test_it_runs_on_both_networks_in_all_scenarios_with_finite_losses(lab, name, model, scenario):
    benchmark = ("benchmark=permuted_digits", "benchmark.num_tasks=2") if model == "mlp" else SPLIT
    run = lab.from_conf(*SUBJECTS[name], *benchmark, f"benchmark.scenario={scenario}", model=model)
    losses = LossesOf(run.strategy)
    with lab.seeded():
        records = run.records()
    assert [(record.after_task, record.on_task) for record in records] == [
        (after, on) for after in range(3) for on in (1, 2)
    ]
    assert losses.seen
    assert all(map(math.isfinite, losses.seen))
    assert all(math.isfinite(record.nll) and 0 <= record.accuracy <= 1 for record in records)


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_seed_decides_every_record_and_weight_bit_for_bit(lab, name):
    first, again = (lab.outcome(*SUBJECTS[name], *SPLIT) for _ in range(2))
    assert first == again
    other = lab.outcome(*SUBJECTS[name], *SPLIT, seed=2)
    assert other.weights != first.weights
    assert [record.nll for record in other.records] != [record.nll for record in first.records]


@pytest.mark.parametrize("name", SUBJECTS)
def test_testing_changes_nothing_in_training(lab, name):
    once, never, twice, one_by_one = (lab.from_conf(*SUBJECTS[name], *BATCH_NORM) for _ in range(4))
    one_by_one.strategy.eval_mb_size = 7
    with lab.seeded():
        once.records()
    with lab.seeded():
        one_by_one.records()
    with lab.seeded():
        never.train()
    with lab.seeded():
        for task in (0, 1):
            for _ in range(2):
                with torch.random.fork_rng():
                    twice.test()
            twice.train(task)
        with torch.random.fork_rng():
            twice.test()
    hashes = [weights_sha256(run.strategy) for run in (never, once, twice, one_by_one)]
    assert hashes == hashes[:1] * 4, "never, between, twice, in batches of 7"


@pytest.mark.parametrize("name", OURS)
def test_the_size_of_test_batches_changes_no_weight_and_no_record(lab, name):
    first, *others = [
        lab.outcome(*SUBJECTS[name], *SPLIT, f"training.test_batch_size={size}") for size in (7, 50, 2000)
    ]
    for other in others:
        assert other.weights == first.weights
        for record, expected in zip(other.records, first.records, strict=True):
            assert record[:4] == expected[:4]
            assert record == pytest.approx(expected, abs=1e-6, nan_ok=True)  # products of other shapes


@pytest.mark.parametrize("name", OURS)
def test_the_global_generators_are_left_alone(lab, name):
    before_building = torch.random.get_rng_state()
    run = lab.from_conf(*SUBJECTS[name], *SPLIT)
    assert torch.equal(torch.random.get_rng_state(), before_building), "building"
    run.train(0)
    assert torch.equal(torch.random.get_rng_state(), before_building), "training"
    run.test()
    assert torch.equal(torch.random.get_rng_state(), before_building), "testing"
    run.train(1)
    assert torch.equal(torch.random.get_rng_state(), before_building), "training the second task"


@pytest.mark.parametrize("name", OURS)
def test_heads_of_other_tasks_keep_their_weights_while_a_task_is_trained(lab, name):
    run = lab.from_conf(*SUBJECTS[name], "benchmark=split_digits", "benchmark.num_tasks=3")
    network = run.strategy.network
    for task in range(3):
        before = [lab.head_values(network, head).clone() for head in range(3)]
        run.train(task)
        after = [lab.head_values(network, head) for head in range(3)]
        others = [head for head in range(3) if head > task or (head < task and name not in REHEARSE)]
        for head in others:
            assert torch.equal(before[head], after[head]), f"head {head} while task {task} was trained"
        if not name.startswith(BINARY):  # all weights of a small head may keep their signs
            assert not torch.equal(before[task], after[task])


@pytest.mark.parametrize("name", AGAINST_FORGETTING)
def test_a_method_against_forgetting_differs_from_fine_tuning_after_the_second_task(lab, name):
    # the same method with nothing to hold the old task: how each one is fine-tuned
    without = {
        "gvcl": ("strategy=gvcl", "strategy.kl_weight=0"),
        "vcl": ("strategy=vcl", "strategy.kl_weight=0"),
        "bayesbinn": ("strategy=bayesbinn", "strategy.kl_weight=0"),
    }.get(name, ("strategy=finetune",))
    plain = lab.outcome("strategy=finetune", *SPLIT)
    bare = lab.outcome(*without, *SPLIT)
    method = lab.outcome(f"strategy={name}", *SPLIT)
    for other in (plain, bare):
        assert method.records[-1].nll != other.records[-1].nll
        assert method.records[-2].nll != other.records[-2].nll
        assert method.weights != other.weights


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
        ("ewc", "strength", -1.0),
        ("ewc", "mode", "both"),
        ("ewc", "decay", -0.1),
        ("ewc", "decay", 1.1),
        ("ewc", "fisher_estimator", "batch"),
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
        ("vcl", "kl_weight", -1.0),
        ("vcl", "prior_variance", 0.0),
        ("vcl", "coreset", "all"),
        ("vcl", "coreset_size", 0),
        ("vcl", "coreset_epochs", 0),
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
        ("mesu", "num_samples", 0),
        ("mesu", "num_test_samples", -1),
        ("mesu", "initial_deviation", 0.0),
        ("mesu", "deviation_learning_rate", -1.0),
        ("mesu", "prior_deviation", 0.0),
        ("mesu", "memory_window", 0),
        ("mesu", "clip", -0.1),
        ("synaptic_metaplasticity", "meta", -1.0),
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


# methods that store more with every task
GROW = (
    "joint",
    "joint_without_restart",
    "online_laplace",
    "vcl_coreset",
    "function_prior",
    "function_prior_random",
)


@pytest.mark.parametrize("name", SUBJECTS)
def test_its_states_are_measured_after_every_task_and_only_declared_memory_grows(lab, name):
    run = lab.from_conf(*SUBJECTS[name], "benchmark=permuted_digits", "benchmark.num_tasks=3")
    with lab.seeded():
        found = run.measurements()
    states = [each.state for each in found if isinstance(each, AfterTask)]
    assert [state.after_task for state in states] == [0, 1, 2, 3]
    assert all(state.num_steps > 0 and state.training_seconds > 0 for state in states[1:])
    assert [math.isnan(state.ood_auroc) for state in states] == [True, False, False, True]
    assert all(0 < state.deployed_bits <= state.stored_bits for state in states)
    # buffers and teachers are there from the first task on
    assert len({state.stored_bits for state in states[1:]}) == (3 if name in GROW else 1)
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
        assert not sampled or record.mutual_information <= record.entropy
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


class LossesOf(SupervisedPlugin):
    """Every training loss."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.seen: list[float] = []
        strategy.plugins.insert(0, self)

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.seen.append(float(strategy.loss.detach()))


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
