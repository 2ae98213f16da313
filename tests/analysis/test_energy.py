"""The estimate of energy, against sums by hand of the table's numbers."""

import pytest

from cl_bench.analysis import energy as table
from cl_bench.analysis.energy import energy

NOTHING = {"multiply_adds": 0, "additions": 0, "binary_operations": 0, "bits": 0}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ({"multiply_adds": 10}, 10 * (3.7 + 0.9)),
        ({"additions": 10}, 10 * 0.9),
        ({"binary_operations": 100}, 100 * 0.03),
        ({"multiply_adds": 1, "additions": 2, "binary_operations": 3}, 4.6 + 1.8 + 0.09),
    ],
)
def test_arithmetic_is_a_sum_over_operations(operations, expected):
    assert energy(**NOTHING | operations).arithmetic == pytest.approx(expected, rel=1e-12)
    assert energy(**NOTHING | operations).memory == 0


@pytest.mark.parametrize(
    ("kib", "a_read"), [(8, 10), (8.1, 20), (32, 20), (33, 100), (1024, 100), (1025, 1300)]
)
def test_weights_are_read_from_the_smallest_memory_that_holds_them(kib, a_read):
    bits = kib * 8192
    found = energy(**NOTHING | {"bits": bits})
    assert found.memory == pytest.approx(bits / 64 * a_read, rel=1e-12)
    assert energy(**NOTHING | {"bits": bits}, reads=20).memory == pytest.approx(20 * found.memory, rel=1e-12)
    assert found.total == found.memory


def test_a_binary_operation_is_below_every_other_of_the_table():
    assert table.INTEGER_ADDITION < table.ADDITION < table.MULTIPLICATION < min(table.MEMORIES.values())
    assert list(table.MEMORIES.values()) == sorted(table.MEMORIES.values())
    assert max(table.MEMORIES.values()) < table.DRAM
