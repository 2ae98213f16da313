"""What other libraries call forgetting and transfer, so that their numbers can be compared with ours.

Each takes the matrix as `metrics` does, [1 + T, T], fractions, row 0 the untrained network, R[t, j] the
accuracy on task j after training on tasks 1..t. Numbers of Mammoth are percent there, and fractions here.
"""

import numpy as np
from numpy.typing import ArrayLike

from cl_bench.analysis.metrics import backward_transfer, forward_transfer


def avalanche_forgetting(accuracy: ArrayLike) -> float:
    """The forgetting of Avalanche: accuracy when learned minus final, averaged over all but the last task.

        1/(T-1) sum_{j<T} (R[j, j] - R[T, j])

    It is the negative of its and of our backward transfer. What is learned of a task after its own training
    is no height to fall from. Source: Avalanche 0.6, `StreamForgetting` after the last task.

    Args:
        accuracy: R [1 + T, T].

    >>> R = [[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.9, 0.8, 0.3], [0.6, 0.7, 0.9]]
    >>> round(avalanche_forgetting(R), 4)  # of 0.8 - 0.6 and 0.8 - 0.7; ours is 0.2
    0.15
    """
    return -backward_transfer(accuracy)


def mammoth_forgetting(accuracy: ArrayLike) -> float:
    """The forgetting of Mammoth: best minus final accuracy, the final one among the candidates for the best.

        1/(T-1) sum_{j<T} (max_{1<=t<=T} R[t, j] - R[T, j])

    So it is never negative. Mammoth puts 0 in the place of tests before a task was seen, and so do we.

    Args:
        accuracy: R [1 + T, T].

    Raises:
        ValueError: where not every task was tested after every task.

    >>> # task 1 is known best in the end
    >>> improving = [[0.1, 0.1], [0.5, 0.2], [0.7, 0.8]]
    >>> mammoth_forgetting(improving), round(forgetting(improving), 4)
    (0.0, -0.2)
    """
    matrix = _trained(accuracy)
    if matrix.shape[1] == 1:
        return float("nan")
    seen = np.tril(matrix)[:, :-1]
    return float((seen.max(axis=0) - seen[-1]).mean())


def mammoth_forward_transfer(
    accuracy: ArrayLike, *, class_incremental: bool, head_a_task: bool = False
) -> float:
    """The forward transfer of Mammoth, which is ours where all outputs are in use from the start.

        1/(T-1) sum_{j>1} (R[j-1, j] - R[0, j])

    On class-incremental streams (one head that grows in use) a class that was never trained on is never
    predicted. So it is 0 minus chance, which says nothing of the method. We give nan. With one head per task
    the tests are of untrained heads: nan, too.

    Args:
        accuracy: R [1 + T, T].
        class_incremental, head_a_task: whether the scenario was `class`, or `task`.

    >>> R = [[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.9, 0.8, 0.3], [0.6, 0.7, 0.9]]
    >>> round(mammoth_forward_transfer(R, class_incremental=False), 4)
    0.15
    >>> mammoth_forward_transfer(R, class_incremental=True)
    nan
    >>> mammoth_forward_transfer(R, class_incremental=False, head_a_task=True)
    nan
    """
    return float("nan") if class_incremental or head_a_task else forward_transfer(accuracy)


def chaudhry_forgetting(accuracy: ArrayLike) -> float:
    """The forgetting of Chaudhry et al. 2018: best accuracy since a task's own training, minus the final one.

        1/(T-1) sum_{j<T} (max_{j<=t<T} R[t, j] - R[T, j])

    It differs from our `forgetting` where a task was known better before it was trained on. Source:
    "Riemannian Walk for Incremental Learning", ECCV 2018.

    Args:
        accuracy: R [1 + T, T].

    Raises:
        ValueError: where not every task was tested after every task.

    >>> R = [[0.1, 0.1, 0.1], [0.8, 0.9, 0.1], [0.9, 0.7, 0.3], [0.6, 0.6, 0.9]]
    >>> # task 2: 0.7 - 0.6, 0.9 - 0.6
    >>> round(chaudhry_forgetting(R), 4), round(forgetting(R), 4)
    (0.2, 0.3)
    """
    matrix = _trained(accuracy)
    if matrix.shape[1] == 1:
        return float("nan")
    since = np.where(np.tri(*matrix.shape) > 0, matrix, -np.inf)[:-1, :-1]
    return float((since.max(axis=0) - matrix[-1, :-1]).mean())


def _trained(accuracy: ArrayLike) -> np.ndarray:
    """[T, T], without the untrained row; every task tested after every task."""
    if np.ma.is_masked(accuracy):
        raise ValueError("this definition needs every task tested after every task, got a masked matrix")
    matrix = np.asarray(accuracy, dtype=float)
    if matrix.ndim != 2 or matrix.shape[1] == 0 or matrix.shape[0] != 1 + matrix.shape[1]:
        raise ValueError(f"accuracy must have shape [1 + num_tasks, num_tasks], got {matrix.shape}")
    return matrix[1:]
