"""The loss of dark experience replay on examples of a memory.

Source: Buzzega et al., "Dark Experience for General Continual Learning: a Strong, Simple Baseline", NeurIPS
2020, equations 4 to 6. Where the paper writes a squared norm, the authors' code (aimagelab/mammoth) takes the
mean over examples and logits; so do we: alpha means what it means in their tables.
"""

from torch import Tensor
from torch.nn import functional as F


def distillation(logits: Tensor, remembered: Tensor) -> Tensor:
    """Mean square of the difference to the logits that were remembered, both [B, K]; a scalar."""
    return F.mse_loss(logits, remembered)


def rehearsal(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the remembered labels [B]; a scalar."""
    return F.cross_entropy(logits, labels)
