"""What other libraries call forgetting and transfer, so that their numbers can be compared with ours.

Each takes the matrix as `metrics` does, [1 + T, T], fractions, row 0 the untrained network, R[t, j] the
accuracy on task j after training on tasks 1..t. Numbers of Mammoth are percent there, and fractions here.
"""

import numpy as np
from numpy.typing import ArrayLike

from cl_bench.analysis.metrics import backward_transfer, forward_transfer


def avalanche_forgetting(accuracy: ArrayLike) -> float:
    """Avalanche 0.6 `StreamForgetting` after the last task: mean over j < T of R[j, j] - R[T, j].

    When first learned minus final: the negative of its and of our backward transfer. What is learned of a
    task after its own training is no height to fall from.
    """
    return -backward_transfer(accuracy)


def mammoth_forgetting(accuracy: ArrayLike) -> float:
    """Mammoth `forgetting`: mean over j < T of (max over 1 <= t <= T of R[t, j]) - R[T, j].

    The final accuracy is among the maximum, so that it is never negative. Mammoth puts 0 in the place of
    tests before a task was seen; so do we.
    """
    matrix = _trained(accuracy)
    if matrix.shape[1] == 1:
        return float("nan")
    seen = np.tril(matrix)[:, :-1]
    return float((seen.max(axis=0) - seen[-1]).mean())


def mammoth_forward_transfer(accuracy: ArrayLike, *, class_incremental: bool) -> float:
    """Mammoth `forward_transfer`: mean over j > 1 of R[j-1, j] - R[0, j], as ours.

    On class-incremental streams (one head that grows in use) a class that was never trained on is never
    predicted, so it is 0 minus chance: it says nothing of the method. We give nan.
    """
    return float("nan") if class_incremental else forward_transfer(accuracy)


def chaudhry_forgetting(accuracy: ArrayLike) -> float:
    """Mean over j < T of (max over j <= t < T of R[t, j]) - R[T, j] (Chaudhry et al. 2018, "Riemannian
    Walk").

    As our `forgetting`, but the height to fall from is reached only from the task's own training on; they
    differ where a task was known better before it was trained on.
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
