"""The share of binary weights that flip in a task, counted by hand."""

import math
from itertools import pairwise

import pytest
import torch

from cl_bench.config.build import build_strategy
from cl_bench.conformance.subject import Run
from cl_bench.evaluation.states import Flips, States
from cl_bench.learner.seeds import Seeds
from cl_bench.records.rows import State
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.streams.stacked import stack_streams

STREAM = ("benchmark=permuted_digits", "benchmark.num_tasks=3", "benchmark.num_train=64")
BINARY = ["bayesbinn", "bimu", "straight_through", "adaste", "bop", "synaptic_metaplasticity"]
BINARY += ["message_passing"]


def flipped(run):
    with torch.random.fork_rng():
        found = [row for rows in run.measurements() for row in rows if isinstance(row, State)]
    return [state.flipped for state in found]


@pytest.mark.parametrize("strategy", BINARY)
def test_flips_are_the_weights_of_another_sign_than_before_the_task(lab, strategy):
    run = lab.from_conf(f"strategy={strategy}", *STREAM)
    signs, shares = [run.strategy.flat.values.data.clone()], []
    assert (signs[0].abs() == 1).all()
    measured = States(run.strategy, [0])
    settings = {"seconds": 0.0, "num_steps": 1, "ood_auroc": [math.nan]}
    assert measured.after(0, **settings)[0].flipped == 0
    for task in range(3):
        run.train(task)
        signs.append(run.strategy.flat.values.data.clone())
        shares.append(measured.after(task + 1, **settings)[0].flipped)
    expected = [float((now != before).double().mean()) for before, now in pairwise(signs)]
    assert shares == pytest.approx(expected, abs=1e-12)
    assert max(shares) > 0
    assert all(0 <= share < 1 for share in shares)


def test_real_weights_have_no_sign_to_lose(lab):
    assert all(map(math.isnan, flipped(lab.from_conf("strategy=ewc", *STREAM))))


def test_seeds_trained_at_once_have_the_flips_of_each_alone(lab):
    alone = [lab.from_conf("strategy=straight_through", *STREAM, seed=seed) for seed in (0, 1)]
    stream, seeds = stack_streams([run.stream for run in alone]), [Seeds(0), Seeds(1)]
    strategy = build_strategy(alone[0].config, stream, seeds)
    together = Run(strategy, to_avalanche(stream), stream, alone[0].config)
    flips = [Flips(run.strategy) for run in (*alone, together)]
    for run in (*alone, together):
        run.train(0)
    one, other, both = (each.after_task() for each in flips)
    assert both == pytest.approx([*one, *other], abs=0.01)
    assert both[0] != both[1]


def test_tests_with_weight_samples_flip_nothing(lab):
    run = lab.from_conf("strategy=bimu", *STREAM, "strategy.num_test_samples=3")
    flips = Flips(run.strategy)
    run.test()
    assert flips.after_task() == [0]
