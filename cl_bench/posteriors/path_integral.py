"""Importance as each weight's share in the fall of the loss along the path of training (synaptic
intelligence, SI).

Source: Zenke, Poole, Ganguli, "Continual Learning Through Synaptic Intelligence", ICML 2017, section 3:

    omega_k = - sum over steps of g_k (change of theta_k)     (equation 3)
    penalty = c sum_k Omega_k (theta_k - theta~_k)^2          (equation 4)
    Omega_k = sum over tasks of omega_k / (Delta_k^2 + xi)    (equation 5)

g is the gradient of the task's loss without the penalty, Delta_k the weight's whole way in the task. There is
no 1/2 in the penalty. The sum Omega is cut off at 0 after each task: not in the paper, but in the authors'
published code (ganguli-lab/pathint, protocols.py).
"""

from torch import Tensor

from cl_bench.posteriors.quadratic_penalty import Quadratic


def follow(share: Tensor, gradient: Tensor, change: Tensor) -> Tensor:
    """Each weight's share in the fall of the loss, after one more step of training.

        omega_k <- omega_k - g_k (change of theta_k)

    Source: Zenke, Poole, Ganguli 2017, equation 3.

    Args:
        share: omega [P].
        gradient: g [P], of the task's loss before the step.
        change: of theta, [P].

    >>> weights, share = torch.tensor([2.0]), torch.zeros(1)
    >>> for _ in range(200):  # downhill on theta^2 / 2, from 2 to 0
    ...     change = -0.1 * weights
    ...     share = path_integral.follow(share, gradient=weights, change=change)
    ...     weights = weights + change
    >>> share  # near the fall of the loss, which is 2; longer steps are further off
    tensor([2.1053])
    """
    return share - gradient * change


def consolidate(
    state: Quadratic, weights: Tensor, share: Tensor, *, damping: float, cut_off: bool
) -> Quadratic:
    """The penalty after one more task, with each weight's importance, around the task's solution.

        Omega_k <- Omega_k + omega_k / (Delta_k^2 + xi)

    Source: Zenke, Poole, Ganguli 2017, equation 5. Delta is the way from the old centre, where the task
    began.

    Args:
        weights: the task's solution, [P].
        share: omega of the task, [P].
        damping: xi, which bounds what a weight that hardly moved is worth.
        cut_off: whether Omega is cut off at 0, as in the authors' code.

    >>> from cl_bench.posteriors import quadratic_penalty
    >>> start = quadratic_penalty.init(torch.zeros(2))
    >>> weights, share = torch.tensor([2.0, 2.0]), torch.tensor([2.0, -2.0])
    >>> path_integral.consolidate(
    ...     start, weights, share, damping=1.0, cut_off=True
    ... ).precision
    tensor([0.4000, 0.0000])
    """
    gained = share / ((weights - state.centre).square() + damping)
    total = state.precision + gained
    return Quadratic(weights.clone(), total.clamp_min(0) if cut_off else total)
