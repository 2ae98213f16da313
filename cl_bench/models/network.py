"""The shape that every network of the suite has: images -> body -> features -> heads -> logits."""

from torch import Tensor, nn

from cl_bench.models.heads import Heads, Task


class Network(nn.Module):
    """A body shared by all tasks and the heads on top of it."""

    def __init__(self, body: nn.Module, heads: Heads) -> None:
        super().__init__()
        self.body = body
        self.heads = heads

    def forward(self, images: Tensor, task: Task = 0) -> Tensor:
        """Logits [B, num_classes] of images [B, C, H, W]; task as in `Heads`."""
        return self.heads(self.body(images), task)
