"""Which tasks are tested after which."""

import pytest

from cl_bench.records.protocol import num_tests, tasks_tested


def test_all_tasks_are_tested_each_time_before_the_first_too():
    assert [list(tasks_tested(after, num_tasks=2, test_last=None)) for after in range(3)] == [[1, 2]] * 3


def test_the_last_tasks_seen_are_tested_and_nothing_before_the_first():
    found = [list(tasks_tested(after, num_tasks=4, test_last=2)) for after in range(5)]
    assert found == [[], [1], [1, 2], [2, 3], [3, 4]]


def test_all_tasks_are_tested_at_the_end_where_that_is_asked():
    found = [list(tasks_tested(after, num_tasks=4, test_last=2, all_at_end=True)) for after in range(5)]
    assert found == [[], [1], [1, 2], [2, 3], [1, 2, 3, 4]]
    assert num_tests(num_tasks=4, test_last=2, all_at_end=True) == 9


@pytest.mark.parametrize(("test_last", "number"), [(None, 20), (1, 4), (3, 9), (4, 10), (9, 10)])
def test_the_number_of_tests_is_that_of_the_pairs(test_last, number):
    assert num_tests(num_tasks=4, test_last=test_last) == number
