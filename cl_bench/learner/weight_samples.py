"""The random numbers of a test: the same for each of its batches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

from cl_bench.learner.noise import Noise

KEPT_BYTES = 2**26  # 64 MiB


class TestSamples:
    """Weight samples for predictions, drawn from `noise`.

    Every batch of a test uses the same ones: one ensemble predicts all examples, whatever the batch size.
    """

    __test__ = False  # pytest: no test class

    def __init__(self, noise: Noise) -> None:
        self._noise = noise
        self._start = self._end = noise.state()
        self._kept: list[Tensor] = []
        self.in_test = False

    @contextmanager
    def one_test(self) -> Iterator[None]:
        """What is taken meanwhile, after each `rewind`, is the same."""
        self._start, self.in_test = self._noise.state(), True
        try:
            yield
        finally:
            self._kept, self.in_test = [], False

    def rewind(self) -> None:
        """A new batch of the test."""
        if self.in_test:
            self._noise.restore(self._start)

    def take(self, number: int, draw: Callable[[], Tensor]) -> Iterator[Tensor]:
        """`number` results of `draw`; those of a test are kept for its other batches if they are small."""
        if self._kept:
            yield from self._kept
            self._noise.restore(self._end)
            return
        drawn: list[Tensor] = []
        for _ in range(number):
            sample = draw()
            if self.in_test and number * sample.nbytes <= KEPT_BYTES:
                drawn.append(sample)
            yield sample
        self._kept, self._end = drawn, self._noise.state()
