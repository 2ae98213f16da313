"""Output layers for every task, all made at the start, so that no parameter appears or grows during a run."""

import torch
from torch import Tensor, nn

from cl_bench.models.asked import check_task
from cl_bench.models.normalisation import BINARY_BATCH_EPSILON, Scale, batch_norm, check_names

# K outputs of mean 0 and variance 1 allow no probability above 1 / (1 + (K - 1) exp(-K / sqrt(K - 1))).
# That is 0.757 for K = 10. Three times as large they allow 0.9996 there, and 0.997 for K = 3
LOGIT_GAIN = 3.0
ABSENT = -1e4  # the logit of a class that is not there: its probability is exactly 0, its logarithm finite

# one head for all examples; one for each, int64 [B]; or several for all, their logits side by side
Task = int | Tensor | tuple[int, ...]


def present(logits: Tensor, active: Tensor | None) -> Tensor:
    """Give probability 0 to the classes that are not there, however low the logits of the others are.

    Their logit is -10,000, or 5,000 below the largest of the others, whichever is lower. Where no class is
    there, all are alike.

    Args:
        logits: [..., K].
        active: bool [K], or one row an example [B, K]; None: all classes are there.
    """
    if active is None:
        return logits
    lowest = torch.finfo(logits.dtype).min / 2
    largest = logits.detach().masked_fill(~active, lowest).amax(dim=-1, keepdim=True)
    return torch.where(active, logits, ABSENT + (largest - ABSENT / 2).clamp_max(0))


class Heads(nn.Module):
    """`num_heads` classifiers of `num_classes` outputs each, as one linear layer.

    `linear` may be replaced by any module [B, in_features] -> [B, num_heads * num_classes]. With one head the
    task is ignored. `normalisation` (see `normalise_heads`) is applied to the chosen head's outputs only.
    `active` (bool [num_classes]; None: all) are the classes that there are: others have probability 0.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        num_heads: int,
        bias: bool,
        normalisation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if in_features < 1:
            raise ValueError(f"in_features must be positive, got {in_features=}")
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, got {num_classes=}")
        if num_heads < 1:
            raise ValueError(f"num_heads must be at least 1, got {num_heads=}")
        self.in_features = in_features
        self.num_classes = num_classes
        self.num_heads = num_heads
        self.linear: nn.Module = nn.Linear(in_features, num_heads * num_classes, bias=bias)
        self.normalisation = normalisation
        self.active: Tensor | None = None

    def forward(self, features: Tensor, task: Task = 0) -> Tensor:
        """Return logits [B, num_classes] of features [B, F]; task: a head's index from 0, or a tensor [B].

        A tuple of heads gives their logits side by side, [B, len(task) * num_classes]. A tensor is never read
        on the host: an index out of range in one fails as torch's `gather` does.
        """
        check_task(task)
        if self.num_heads == 1:
            task = 0
        outputs = self.linear(features)
        if isinstance(task, tuple):
            return torch.cat([self._logits(outputs, head) for head in task], dim=1)
        return self._logits(outputs, task)

    def _logits(self, outputs: Tensor, task: int | Tensor) -> Tensor:
        logits = self.select(outputs, task)
        if isinstance(self.normalisation, BatchNormPerHead):
            logits = self.normalisation(logits, task)
        elif self.normalisation is not None:
            logits = self.normalisation(logits)
        return present(logits, self.active)

    def select(self, outputs: Tensor, task: int | Tensor) -> Tensor:
        """Select the head's columns [B, num_classes] of all outputs [B, num_heads * num_classes]."""
        if not isinstance(task, Tensor):
            return outputs[..., self.rows(task)]
        if task.shape != outputs.shape[:1]:
            raise ValueError(f"task must be an int or hold one index for each example, got {task.shape=}")
        by_head = outputs.unflatten(1, (self.num_heads, self.num_classes))
        index = task.view(-1, 1, 1).expand(-1, 1, self.num_classes)
        return by_head.gather(1, index).squeeze(1)

    def rows(self, task: int) -> slice:
        """Return the rows of `linear`'s weight and bias that belong to the task's head."""
        if self.num_heads == 1:
            return slice(0, self.num_classes)
        if not 0 <= task < self.num_heads:
            raise ValueError(f"task must be at least 0 and below num_heads={self.num_heads}, got {task=}")
        return slice(task * self.num_classes, (task + 1) * self.num_classes)


class BatchNormPerHead(nn.Module):
    """Batch norm with each head's own statistics: those of the examples that pass through that head."""

    def __init__(self, num_classes: int, num_heads: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            batch_norm(nn.BatchNorm1d, num_classes, "binary") for _ in range(num_heads)
        )

    def forward(self, logits: Tensor, task: int | Tensor) -> Tensor:
        """Return normalised logits [B, num_classes] of the given head or heads [B].

        In training, a tensor of tasks costs a synchronisation for each head, and a head needs two examples or
        none.
        """
        if not isinstance(task, Tensor):
            return self.heads[task](logits)
        if self.training:
            return self._normalise_each(logits, task)
        mean = torch.stack([head.get_buffer("running_mean") for head in self.heads])[task]
        variance = torch.stack([head.get_buffer("running_var") for head in self.heads])[task]
        return (logits - mean) * (variance + BINARY_BATCH_EPSILON).rsqrt()

    def _normalise_each(self, logits: Tensor, task: Tensor) -> Tensor:
        normalised = torch.zeros_like(logits)
        for index, head in enumerate(self.heads):
            examples = (task == index).nonzero().squeeze(1)
            if len(examples):
                normalised = normalised.index_copy(0, examples, head(logits[examples]))
        return normalised


def normalise_heads(
    in_features: int, *, num_classes: int, num_heads: int, normalisation: str, weights: str
) -> nn.Module | None:
    """Return what follows the output layer: nothing for real weights; for +-1, what gives logits their scale.

    BayesBiNN normalises the output too. Layer and group norm take one head's outputs as a group, and multiply
    them by LOGIT_GAIN. Of two outputs these would leave only the sign of the difference, without a gradient.
    Two outputs therefore get the constant 1/sqrt(in_features), as every head does under `none`.
    """
    check_names(normalisation, weights)
    if weights == "real":
        return None
    if normalisation == "batch":
        return BatchNormPerHead(num_classes, num_heads)
    if normalisation == "none" or num_classes == 2:
        return Scale(in_features**-0.5)
    return nn.Sequential(nn.LayerNorm(num_classes, elementwise_affine=False), Scale(LOGIT_GAIN))
