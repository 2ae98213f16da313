"""Importance as each weight's share in the fall of the loss along the path of training (synaptic
intelligence, SI).

Source: Zenke, Poole, Ganguli, "Continual Learning Through Synaptic Intelligence", ICML 2017, section 3:

    omega_k = - sum over steps of g_k (change of theta_k)                                    (equation 3)
    penalty = c sum_k Omega_k (theta_k - theta~_k)^2                                         (equation 4)
    Omega_k = sum over tasks of omega_k / (Delta_k^2 + xi)                                   (equation 5)

g is the gradient of the task's loss without the penalty, Delta_k the weight's whole way in the task. There is
no 1/2 in the penalty. The sum Omega is cut off at 0 after each task: not in the paper, but in the authors'
published code (ganguli-lab/pathint, protocols.py).
"""

from torch import Tensor

from cl_bench.posteriors.quadratic_penalty import Quadratic


def follow(share: Tensor, gradient: Tensor, change: Tensor) -> Tensor:
    """omega after one more step: minus gradient of the task's loss before it, times the change; [P]."""
    return share - gradient * change


def consolidate(
    state: Quadratic, weights: Tensor, share: Tensor, *, damping: float, cut_off: bool
) -> Quadratic:
    """Omega after one more task, around its solution `weights`; the task began at the old centre.

    share: omega of the task, [P]; damping: xi, which bounds what a weight that hardly moved is worth;
    cut_off: whether Omega is cut off at 0.
    """
    gained = share / ((weights - state.centre).square() + damping)
    total = state.precision + gained
    return Quadratic(weights.clone(), total.clamp_min(0) if cut_off else total)
