"""Networks of one's own, for tests."""

import torch
from torch import nn

import cl_bench


def module(outputs=10):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, outputs))


def small(strategy, stream, **settings):
    return cl_bench.strategy(strategy, stream, epochs=1, batch_size=64, tuned=False, **settings)


class Features(nn.Module):
    """Features [B, width] of grey images; it asks for nothing."""

    def __init__(self, width=6):
        super().__init__()
        self.stem = nn.Sequential(nn.Flatten(), nn.Linear(64, width))

    def forward(self, images):
        return self.stem(images).relu()


class OfClasses(nn.Module):
    """It asks for the number of classes alone."""

    def __init__(self, num_classes, width=6):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, num_classes))

    def forward(self, images):
        return self.layers(images)
