"""The loss of a batch with label smoothing."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SmoothedLoss(nn.CrossEntropyLoss):
    """The mean cross-entropy [] of logits [B, K] under smoothed labels.

    With epsilon = `smoothing`, the label of an example has 1 - epsilon, and each of the K' active classes
    epsilon / K' besides. Source: Szegedy et al. 2016, section 7. With all classes active it is torch's
    `cross_entropy(label_smoothing=epsilon)`.

    Args:
        active: gives bool [K], the classes that there are; None for all.
    """

    def __init__(self, smoothing: float, active: Callable[[], Tensor | None]) -> None:
        super().__init__(label_smoothing=smoothing)
        self._active = active

    def by_example(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each example, in nats [B]; their mean is that of the batch."""
        log_p = logits.log_softmax(dim=-1)
        losses = F.nll_loss(log_p, labels, reduction="none")
        if not self.label_smoothing:
            return losses
        active = self._active()
        if active is None:
            active = torch.ones_like(log_p[0], dtype=torch.bool)
        uniform = -torch.where(active, log_p, 0.0).sum(dim=-1) / active.sum()
        return (1 - self.label_smoothing) * losses + self.label_smoothing * uniform

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        active = self._active() if self.label_smoothing else None
        if active is None:
            return super().forward(logits, labels)
        log_p = logits.log_softmax(dim=-1)
        uniform = -torch.where(active, log_p, 0.0).sum(dim=-1) / active.sum()
        return (1 - self.label_smoothing) * F.nll_loss(log_p, labels) + self.label_smoothing * uniform.mean()
