"""The energy of a prediction as a published table has it: an estimate, never a measurement.

Source of the table: M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, for
a 45 nm process at 0.9 V. The paper itself was not read: the numbers are those that two works quote from it.

The table has no operation of single bits. A binary one is taken for an addition of 8-bit integers, which is
ours: an upper bound, as counting ones needs about one full adder a bit, and such an addition has eight.
"""

from typing import NamedTuple

SOURCE = "Horowitz, ISSCC 2014: 45 nm, 0.9 V"
MULTIPLICATION, ADDITION = 3.7, 0.9  # pJ, of 32-bit floats
INTEGER_ADDITION = 0.03  # pJ, of 8-bit integers
MEMORIES = {8 * 2**10: 10.0, 32 * 2**10: 20.0, 2**20: 100.0}  # bytes of a cache -> pJ of a read of 64 bits
DRAM = 1300.0  # pJ of a read of 64 bits, the lower end of 1.3 to 2.6 nJ
WORD = 64  # bits


class Energy(NamedTuple):
    """Picojoules of one prediction, by the table.

    >>> Energy(arithmetic=4.6, memory=10.0).total
    14.6
    """

    arithmetic: float
    memory: float  # of reading the weights

    @property
    def total(self) -> float:
        """The sum of both parts, in picojoules."""
        return self.arithmetic + self.memory


def energy(
    *, multiply_adds: int, additions: int, binary_operations: int, bits: float, reads: int = 1
) -> Energy:
    """Estimate the energy of one prediction by the table above.

        arithmetic = 4.6 multiply_adds + 0.9 additions + 0.03 binary_operations
        memory = reads (bits / 64) pJ of the smallest memory that holds all bits

    Left out are activations on their way, normalisation, random numbers and all control.

    Args:
        multiply_adds, additions, binary_operations: of the prediction.
        bits: that are read each time: weights, or a posterior.
        reads: how often, such as once for each weight sample.

    >>> # 784-100-10 in float32, and with weights of -1 and +1
    >>> real = energy(multiply_adds=79_400, additions=0, binary_operations=0, bits=32 * 79_400)
    >>> signs = energy(multiply_adds=0, additions=79_400, binary_operations=0, bits=79_400)
    >>> round(real.arithmetic / signs.arithmetic, 2), round(real.memory / signs.memory)
    (5.11, 160)
    """
    arithmetic = (
        multiply_adds * (MULTIPLICATION + ADDITION)
        + additions * ADDITION
        + binary_operations * INTEGER_ADDITION
    )
    a_read = next((each for size, each in MEMORIES.items() if bits <= 8 * size), DRAM)
    return Energy(arithmetic, reads * bits / WORD * a_read)
