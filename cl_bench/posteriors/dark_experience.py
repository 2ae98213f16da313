"""The loss of dark experience replay on examples of a memory.

Source: Buzzega et al., "Dark Experience for General Continual Learning: a Strong, Simple Baseline", NeurIPS
2020, equations 4 to 6. Where the paper writes a squared norm, the authors' code (aimagelab/mammoth) takes the
mean over examples and logits; so do we: alpha means what it means in their tables.
"""

from torch import Tensor
from torch.nn import functional as F


def distillation(logits: Tensor, remembered: Tensor) -> Tensor:
    """The mean square of the difference between logits and those that were remembered.

        1 / (B K) sum_bk (z_bk - z'_bk)^2

    Source: Buzzega et al. 2020, equations 4 to 6, with the mean of the authors' code.

    Args:
        logits, remembered: z and z', [B, K].

    Returns:
        A scalar.

    >>> logits = torch.tensor([[1.0, 2.0]])
    >>> dark_experience.distillation(logits, remembered=torch.tensor([[1.0, 0.0]]))
    tensor(2.)
    """
    return F.mse_loss(logits, remembered)


def rehearsal(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of remembered labels, in nats.

        -1/B sum_b log p(y_b | x_b)

    Source: Buzzega et al. 2020, equation 6 (DER++).

    Args:
        logits: [B, K].
        labels: y, int64 [B].

    Returns:
        A scalar.

    >>> # undecided between two classes
    >>> dark_experience.rehearsal(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.6931)
    """
    return F.cross_entropy(logits, labels)
