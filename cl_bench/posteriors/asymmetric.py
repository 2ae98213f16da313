"""Cross-entropy over some of the classes, for replay with an asymmetric loss (ER-ACE).

New classes lie among old ones when they come. In one softmax over all of them a new example pushes the
outputs of old classes down, and features away from them. So an example of the present batch is told apart
from the classes of that batch alone. Examples of the memory are told apart from all classes seen so far:

    loss = CE(batch, C_batch) + CE(memory, C_seen)

Source: Caccia, Aljundi, Asadi, Tuytelaars, Pineau, Belilovsky, "New Insights on Reducing Abrupt
Representation Change in Online Continual Learning", ICLR 2022 (arXiv 2104.05025). Read were the abstract and
the authors' code (pclucas14/AML), not the paper's text. In that code new examples also
compete with all classes above the highest label so far. Here they do not.
"""

import torch
from torch import Tensor


def present(labels: Tensor, groups: Tensor, *, num_groups: int, num_classes: int) -> Tensor:
    """The classes that examples have, group by group.

    Args:
        labels: int64 [B].
        groups: of each example, int64 [B], such as its head.

    Returns:
        bool [num_groups, num_classes].

    >>> labels, groups = torch.tensor([2, 0, 2]), torch.tensor([0, 1, 0])
    >>> asymmetric.present(labels, groups, num_groups=2, num_classes=3)
    tensor([[False, False,  True],
            [ True, False, False]])
    """
    table = torch.zeros(num_groups * num_classes, dtype=torch.bool, device=labels.device)
    return table.index_fill(0, groups * num_classes + labels, True).view(num_groups, num_classes)


def cross_entropy(logits: Tensor, labels: Tensor, allowed: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """The cross-entropy of each example's label in a softmax over the classes allowed to it, in nats.

        -(1 - epsilon) log p_y - epsilon / |A| sum_{k in A} log p_k,   p = softmax over A of the logits

    Logits outside of A have no gradient. Sources: Caccia et al. 2022; for epsilon Szegedy et al. 2016,
    section 7.

    Args:
        logits: [B, K].
        labels: y, int64 [B], each among its allowed classes.
        allowed: A, bool [B, K].
        smoothing: epsilon, in [0, 1).

    Returns:
        [B].

    >>> logits, labels = torch.tensor([[0.0, 0.0, 9.0]]), torch.tensor([1])
    >>> asymmetric.cross_entropy(logits, labels, torch.tensor([[True, True, False]]))
    tensor([0.6931])
    """
    log_p = logits.masked_fill(~allowed, -torch.inf).log_softmax(dim=-1)
    loss = -log_p.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    if not smoothing:
        return loss
    uniform = -torch.where(allowed, log_p, 0.0).sum(dim=-1) / allowed.sum(dim=-1)
    return (1 - smoothing) * loss + smoothing * uniform
