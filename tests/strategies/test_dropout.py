"""Dropout in every strategy: a stopped run resumes with the same masks, stacked seeds have their own."""

import pytest
from strategy_variants import DENSE, SUBJECTS, VARIANTS

from cl_bench.conformance.check import PASS, result_of
from cl_bench.models import Dropout
from cl_bench.testing import CHECKS, Subject

DROPOUT = "model.dropout=0.3"
OURS = [name for name in SUBJECTS if not name.startswith("avalanche") and name not in {*VARIANTS, *DENSE}]
QUICK = ("finetune", "der", "bayesbinn", "vcl", "lwf")  # one of each way to use the network
BOTH = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in OURS]
BY_NAME = {check.name: check for check in CHECKS}


@pytest.mark.parametrize("name", BOTH)
def test_stacked_seeds_learn_as_alone(name):
    strategy, *settings = SUBJECTS[name]
    check = BY_NAME["stacked_seeds_are_those_alone_or_refused"]
    result = result_of(check, Subject(strategy, [*settings, DROPOUT]))
    assert result.outcome == PASS, result


@pytest.mark.parametrize("name", BOTH)
def test_a_run_goes_on_bit_for_bit(name):
    strategy, *settings = SUBJECTS[name]
    check = BY_NAME["it_goes_on_bit_for_bit"]
    result = result_of(check, Subject(strategy, [*settings, DROPOUT]))
    assert result.outcome == PASS, result


@pytest.mark.parametrize("name", OURS)
def test_tests_and_second_passes_have_none(lab, name, monkeypatch):
    """Whatever is measured between training steps (importances, memories, tests) draws no mask."""
    strategy, *settings = SUBJECTS[name]
    run = lab.from_conf(f"strategy={strategy}", *settings, DROPOUT, "training.iterations=3")
    drawn: list[int] = []
    layers = [each for each in run.strategy.network.modules() if isinstance(each, Dropout)]
    assert layers
    for layer in layers:
        draw = layer.draw
        monkeypatch.setattr(
            layer, "draw", lambda like, draw=draw: drawn.append(run.strategy.steps_taken) or draw(like)
        )
    in_step = []
    run.strategy.after_step = lambda: in_step.append(len(drawn))
    run.train(0)
    assert in_step, "no step was taken"
    assert len(drawn) == in_step[-1], "masks were drawn after the last step"
    run.test(0)
    assert len(drawn) == in_step[-1], "masks were drawn in a test"


def test_dropout_changes_what_is_learnt_and_its_seed_is_that_of_noise(lab):
    plain, first, again, other = (
        lab.outcome("strategy=finetune", *settings).records
        for settings in ([], [DROPOUT], [DROPOUT], [DROPOUT, "seed_for.noise=7"])
    )
    assert first == again
    assert first != plain
    assert first != other
