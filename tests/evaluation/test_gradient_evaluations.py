"""The gradients that a run takes of single examples, and what its predictions need, counted by hand."""

import math

import pytest
from small_parts import small_stream

from cl_bench.evaluation.experiment import measurements
from cl_bench.learner.second_pass import measure
from cl_bench.records.rows import State
from cl_bench.strategies import EWC, Finetune
from cl_bench.streams.benchmark import to_avalanche

EWC_SETTINGS = {"strength": 100.0, "mode": "separate", "decay": 1.0}
STREAM = ("benchmark=permuted_digits", "benchmark.num_tasks=2")
SIZES = ("training.epochs=2", "training.batch_size=16", "benchmark.num_train=32")
EPOCHS, TASK = 2, 32  # examples
STEPS = EPOCHS * TASK // 16  # a task


def states(strategy, stream):
    found = measurements(strategy, to_avalanche(stream), seed=0, test_on="test", test_last=None)
    return [row for rows in found for row in rows if isinstance(row, State)]


@pytest.mark.parametrize(
    ("strategy", "first", "second"),
    [
        (("finetune",), EPOCHS * TASK, EPOCHS * TASK),
        (("si",), EPOCHS * TASK, EPOCHS * TASK),
        (("lwf",), EPOCHS * TASK, EPOCHS * TASK),  # the teacher's gradient is not taken
        (("joint",), EPOCHS * TASK, EPOCHS * 2 * TASK),
        (("replay",), EPOCHS * TASK, EPOCHS * TASK),  # a part of each batch is from the memory
        (("gdumb", "strategy.memory_size=20"), EPOCHS * 20, EPOCHS * 20),
        (
            ("der", "strategy.buffer_batch_size=8"),
            EPOCHS * TASK + (STEPS - 1) * 8,  # before the first step the memory is empty
            EPOCHS * TASK + STEPS * 8,
        ),
        (("a_gem", "strategy.buffer_batch_size=8"), EPOCHS * TASK, EPOCHS * TASK + STEPS * 8),
        (("er_ace",), EPOCHS * TASK, EPOCHS * TASK),
        (("gpm",), EPOCHS * TASK, EPOCHS * TASK),  # a look at inputs takes none
        (("ucb", "strategy.num_samples=3"), *[EPOCHS * TASK * 3] * 2),
        (("td_vcl", "strategy.num_samples=3"), *[EPOCHS * TASK * 3] * 2),
        (("ewc",), *[EPOCHS * TASK + 10 * TASK] * 2),  # and one for each label
        (("ewc", "strategy.fisher_estimator=sampled"), *[EPOCHS * TASK + TASK] * 2),
        (("ewc", "strategy.fisher_estimator=batched"), *[EPOCHS * TASK + TASK] * 2),
        (("mas",), *[EPOCHS * TASK + TASK] * 2),
        (("vcl", "strategy.num_samples=3"), *[EPOCHS * TASK * 3] * 2),
        (
            ("vcl", "strategy.num_samples=1", "strategy.carried_precision=fisher"),
            *[EPOCHS * TASK + 10 * TASK] * 2,
        ),
        (("bayesbinn", "strategy.num_samples=2"), *[EPOCHS * TASK * 2] * 2),
        (("ivon", "strategy.num_samples=2"), *[EPOCHS * TASK * 2] * 2),
        (("message_passing", "strategy.num_iterations=2"), *[EPOCHS * TASK * 2] * 2),  # there and back, each
        (("adaste",), *[EPOCHS * TASK] * 2),
        # a point has a gradient in each step, and one for each class where the next task begins
        (
            ("function_prior", "strategy.memory_size=10"),
            EPOCHS * TASK + 10 * TASK,
            EPOCHS * TASK + 10 * TASK + STEPS * 10 + 10 * 10,
        ),
        # of 32 examples 5 are in the coreset: before each test an epoch of all coresets so far
        (
            ("vcl", "strategy.coreset=random", "strategy.coreset_size=5", "strategy.coreset_epochs=1"),
            EPOCHS * 27 + 5,
            EPOCHS * 27 + 10,
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_each_gradient_of_an_example_counts(lab, strategy, first, second):
    name, *settings = strategy
    run = lab.from_conf(f"strategy={name}", *STREAM, *SIZES, *settings)
    with lab.seeded():
        found = [row for rows in run.measurements() for row in rows if isinstance(row, State)]
    assert [state.gradient_evaluations for state in found] == [0, first, second]


def test_seeds_trained_at_once_count_as_each_alone(lab):
    overrides = ("strategy=vcl", "strategy.num_samples=2", *STREAM, *SIZES)
    alone, stacked = (lab.from_conf(*overrides, *more) for more in ((), ("seeds=[0,1]",)))
    counts = []
    for run in (alone, stacked):
        run.train()
        counts.append(run.strategy.gradient_evaluations)
    assert counts[0] == counts[1] == 2 * EPOCHS * TASK


def test_of_a_pass_that_does_not_say_nobody_knows(stream, network, learner):
    class Own(Finetune):
        def _after_training_exp(self, **kwargs):
            super()._after_training_exp(**kwargs)
            measure(self, lambda network, batches, generator: 0.0)

    found = states(Own(model=network, **learner), stream)
    assert found[0].gradient_evaluations == 0
    assert all(math.isnan(state.gradient_evaluations) for state in found[1:])


def test_tests_in_the_midst_of_training_count_nowhere(network, learner):
    stream = small_stream()
    strategy = Finetune(model=network, **learner | {"patience": 5})
    strategy.train(
        to_avalanche(stream).streams["train"][0], eval_streams=[to_avalanche(stream).streams["validation"][0]]
    )
    assert strategy.gradient_evaluations == learner["epochs"] * len(stream.train[0])


def test_a_fisher_pass_by_heads_counts_every_example_once(stream, network, learner):
    found = states(EWC(model=network, fisher_estimator="exact", **EWC_SETTINGS, **learner), stream)
    for state, task in zip(found[1:], stream.train, strict=True):
        assert state.gradient_evaluations == (learner["epochs"] + 2) * len(task), "two labels"


@pytest.mark.parametrize(
    ("strategy", "bits_a_weight"),
    [
        (("finetune",), 32),
        (("vcl",), 64),
        (("ucb",), 64),
        (("td_vcl",), 64),
        (("mesu",), 64),
        (("ivon",), 64),
        (("ivon", "strategy.num_test_samples=0"), 32),
        (("mesu", "strategy.num_test_samples=0"), 32),
        (("bayesbinn",), 32),
        (("bayesbinn", "strategy.num_test_samples=0"), 1),
        (("bimu", "strategy.num_test_samples=0"), 1),
        (("message_passing",), 32),
        (("message_passing", "strategy.bayesian_prediction=false"), 1),
        (("straight_through",), 1),
        (("bop",), 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_predictions_from_weight_samples_need_the_posterior(lab, strategy, bits_a_weight):
    name, *settings = strategy
    run = lab.from_conf(f"strategy={name}", *STREAM, *SIZES, *settings)
    state = next(row for rows in run.measurements() for row in rows if isinstance(row, State))
    assert state.predicting_bits == bits_a_weight * run.strategy.num_weights
    assert state.deployed_bits <= state.predicting_bits <= state.stored_bits


def test_coresets_are_needed_to_predict(lab):
    settings = ("strategy.coreset=random", "strategy.coreset_size=5", "strategy.coreset_epochs=1")
    run = lab.from_conf("strategy=vcl", *STREAM, *SIZES, *settings)
    found = [row for rows in run.measurements() for row in rows if isinstance(row, State)]
    bits = [state.predicting_bits - 64 * run.strategy.num_weights for state in found]
    example = 8 * run.strategy.coresets[0].pixels[0].nbytes + 2 * 64  # label and head
    assert bits == [0, 5 * example, 10 * example]
