"""The state of a strategy: what is refused. The kit asks whether all go on bit for bit."""

import pytest

from cl_bench.strategies import Learner

STREAM = ("benchmark=permuted_digits", "benchmark.num_tasks=3")


def test_a_state_of_another_strategy_is_refused(lab):
    state = lab.from_conf("strategy=ewc", *STREAM).strategy.state()
    with pytest.raises(ValueError, match="does not fit LwF"):
        lab.from_conf("strategy=lwf", *STREAM).strategy.restore(state)


def test_a_state_of_a_larger_network_is_refused(lab):
    state = lab.from_conf("strategy=ewc", *STREAM, "model.hidden=[13]").strategy.state()
    with pytest.raises(ValueError, match="does not fit the Network"):
        lab.from_conf("strategy=ewc", *STREAM).strategy.restore(state)


def test_what_nobody_can_pack_is_named(lab):
    class Odd(Learner):
        kept = ("secret",)

    run = lab.from_conf("strategy=finetune", *STREAM)
    run.strategy.__class__ = Odd
    run.strategy.secret = object()
    with pytest.raises(TypeError, match="secret of type object"):
        run.strategy.state()
