"""The state of a strategy: what is refused. The kit asks whether all go on bit for bit."""

from contextlib import suppress
from copy import deepcopy
from functools import cache

import pytest
import torch
from fuzzing import bounded, few
from hypothesis import given
from hypothesis import strategies as st

from cl_bench.learner.seeds import global_generators_restored
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


def places(value, path=()):
    """The paths to all values in nested dictionaries and lists."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*path, key))


VALUES = st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.just(torch.zeros(3)) | st.just([])


@few
@given(data=st.data())
def test_a_state_that_somebody_has_changed_is_taken_or_refused_in_words(lab, data):
    strategy, state = resumable(lab)
    state = deepcopy(state)
    *path, last = data.draw(st.sampled_from([path for path in places(state) if path]))
    inner = state
    for key in path:
        inner = inner[key]
    inner[last] = data.draw(VALUES)
    with bounded(), global_generators_restored(), suppress(ValueError):
        strategy.restore(state)


@cache
def resumable(lab):
    run = lab.from_conf("strategy=ewc", *STREAM)
    return run.strategy, run.strategy.state()
