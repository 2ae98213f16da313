"""The time that there is, divided over parts."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Budget(NamedTuple):
    """A time that ends on a clock.

    Attributes:
        ends: on the clock, in seconds.
        now: reads the clock.
    """

    ends: float
    now: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, seconds: float, now: Callable[[], float] = time.monotonic) -> "Budget":
        return cls(now() + seconds, now)

    @property
    def left(self) -> float:
        """The seconds that are left, at least 0."""
        return max(0.0, self.ends - self.now())

    def first_of(self, shares: Sequence[float]) -> "Budget":
        """Return the time of the first of several parts, by its share; the next ones get what it leaves."""
        return self._replace(ends=self.now() + self.left * shares[0] / sum(shares))
