"""Every check finds what it is for: a strategy that is wrong in one way fails it, the healthy one passes."""

from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path

import broken_data
import broken_resuming
import pytest
from broken_strategies import BROKEN, RAISES, ForKnownTasks, ForOneHead

from cl_bench.conformance.check import FAIL, NOT_APPLICABLE, PASS, Result, result_of
from cl_bench.testing import CHECKS, Subject, examine

for module in sorted(Path(__file__).parent.glob("broken_*.py")):
    import_module(module.stem)  # each notes its classes in BROKEN
BY_NAME = {check.name: check for check in CHECKS}
# no broken strategy of the suite's kind says that it needs this; its healthy one is ForKnownTasks
HEALTHY = {"it_refuses_other_scenarios": f"{ForKnownTasks.__module__}:{ForKnownTasks.__name__}"}


@cache
def healthy(choice: str) -> Subject:
    return Subject(choice)


@cache
def healthy_result(name: str, choice: str) -> Result:
    """Asked once, whoever is broken in that way."""
    return result_of(BY_NAME[name], healthy(choice))


def broken(cls: type) -> Subject:
    choice, _ = BROKEN[cls]
    return Subject(choice, [f"strategy._target_={cls.__module__}.{cls.__name__}"])


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_strategy_fails_the_check_meant_for_it_and_the_healthy_one_passes(cls):
    choice, name = BROKEN[cls]
    result = result_of(BY_NAME[name], broken(cls))
    assert result.outcome == FAIL, result
    assert ("Error: " in result.seen) == (cls in RAISES), result
    assert BY_NAME[name].cause in str(result)
    result = healthy_result(name, HEALTHY.get(name, choice))
    assert result.outcome == PASS, result


@pytest.mark.parametrize(
    ("cls", "name", "outcome"),
    [
        (broken_data.MixesImages, "inputs_are_images_of_the_stream", NOT_APPLICABLE),  # it says so
        (broken_data.RemembersBytes, "inputs_are_images_of_the_stream", PASS),  # apart by rounding
        (broken_resuming.ForgetsNothing, "it_goes_on_bit_for_bit", PASS),
    ],
)
def test_a_healthy_strategy_is_let_pass(cls, name, outcome):
    choice = "replay" if issubclass(cls, broken_data.WithAList) else "finetune"
    result = result_of(BY_NAME[name], Subject(choice, [f"strategy._target_={cls.__module__}.{cls.__name__}"]))
    assert result.outcome == outcome, result


@pytest.mark.parametrize("cls", [ForKnownTasks, ForOneHead])
def test_a_strategy_that_is_not_for_every_scenario_passes_where_it_says_so(cls):
    results = list(examine(Subject(f"{cls.__module__}:{cls.__name__}")))
    assert [str(result) for result in results if result.outcome == FAIL] == []
    assert next(each for each in results if each.check.name == "it_refuses_other_scenarios").outcome == PASS


def test_every_check_has_at_least_two_broken_strategies():
    number = Counter(name for _, name in BROKEN.values())
    assert set(number) == set(BY_NAME)
    assert not [name for name in BY_NAME if number[name] < 2]
