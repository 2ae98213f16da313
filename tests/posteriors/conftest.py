"""Tiny networks whose numbers can be checked against a loop over single examples."""

import pytest
import torch
from torch import Tensor, nn


class Scaled(nn.Module):
    """model(images, task): the task scales the logits, so that ignoring it is noticed."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor, task: int) -> Tensor:
        return self.layers(images) * (1 + task)


class Tiny:
    """Networks in double precision for images [1, 3, 3]."""

    def scaled(self, *layers: nn.Module) -> nn.Module:
        return Scaled(*layers).double()

    def network(self, kind: str) -> nn.Module:
        """Three logits, `dense` or `convolutional`, in eval mode, at the same start each time."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            if kind == "dense":
                layers = [nn.Flatten(), nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 3, bias=False)]
            else:
                filters = [nn.Conv2d(1, 2, 2), nn.GroupNorm(1, 2), nn.ReLU(), nn.BatchNorm2d(2)]
                layers = [*filters, nn.Flatten(), nn.Linear(8, 3)]
            return self.scaled(*layers).eval()

    def images(self, num_examples: int) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        return torch.randn(num_examples, 1, 3, 3, generator=generator, dtype=torch.float64)


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()
