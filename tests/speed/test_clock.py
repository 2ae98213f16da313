"""Works take turns, and ratios are taken within rounds."""

import pytest

from speed.clock import Ratio, alternate, median, ratio


class FakeClock:
    """Time passes only where a work takes some."""

    def __init__(self):
        self.time, self.done = 100.0, []

    def now(self):
        return self.time

    def work(self, name, *seconds):
        left = list(seconds)

        def do():
            self.done.append(name)
            self.time += left.pop(0)

        return do


def test_every_work_is_done_once_in_each_round_and_the_first_one_rotates():
    clock = FakeClock()
    works = {"a": clock.work("a", 9, 1, 2, 3), "b": clock.work("b", 9, 4, 5, 6)}
    seconds = alternate(works, rounds=3, now=clock.now)
    assert clock.done == ["a", "b", "a", "b", "b", "a", "a", "b"], "a warm-up, then rounds"
    assert seconds == {"a": [1, 2, 3], "b": [4, 5, 6]}


def test_without_a_warm_up_the_first_time_counts():
    clock = FakeClock()
    assert alternate({"a": clock.work("a", 7)}, rounds=1, warm_up=False, now=clock.now) == {"a": [7]}


def test_what_comes_before_a_work_is_outside_the_clock():
    clock = FakeClock()
    seconds = alternate(
        {"a": clock.work("a", 1, 2), "b": clock.work("b", 4, 5)},
        rounds=1,
        before={"a": clock.work("go back", 100, 200)},
        now=clock.now,
    )
    assert clock.done == ["go back", "a", "b", "go back", "a", "b"]
    assert seconds == {"a": [2], "b": [5]}


def test_the_device_is_waited_for_before_the_clock_is_read():
    clock = FakeClock()
    waiting = clock.work("wait", 50, 3)  # what was left of earlier works, then of this one
    seconds = alternate(
        {"a": clock.work("a", 1)}, rounds=1, warm_up=False, synchronise=waiting, now=clock.now
    )
    assert clock.done == ["wait", "a", "wait"]
    assert seconds == {"a": [4]}


def test_the_end_of_each_round_is_told():
    clock = FakeClock()
    told = []
    alternate(
        {"a": clock.work("a", 1, 1, 1), "b": clock.work("b", 1, 1, 1)},
        rounds=2,
        after_round=lambda: told.append(len(clock.done)),
    )
    assert told == [2, 4, 6]


def test_no_round_is_an_error():
    with pytest.raises(ValueError, match="rounds must be at least 1, got rounds=0"):
        alternate({"a": print}, rounds=0)


def test_a_ratio_is_the_median_of_the_rounds_ratios_with_its_quartiles():
    numerators, denominators = [2, 30, 4, 5, 60], [1, 10, 1, 1, 10]  # ratios 2 3 4 5 6
    assert ratio(numerators, denominators) == Ratio(median=4, low=3, high=5)
    assert ratio([3], [2]) == Ratio(1.5, 1.5, 1.5)
    assert median([5, 1, 2]) == 2


def test_a_disturbance_of_a_whole_round_changes_no_ratio():
    assert ratio([1, 100], [2, 200]) == Ratio(0.5, 0.5, 0.5)


@pytest.mark.parametrize("pairs", [([], []), ([1, 2], [1])])
def test_a_ratio_needs_pairs(pairs):
    with pytest.raises(ValueError, match="ratios need pairs"):
        ratio(*pairs)
