"""Every network of the suite, small enough to test in all combinations."""

from collections.abc import Callable
from functools import partial

import pytest
import torch

from cl_bench.models import Network, cnn, mlp, resnet18

BUILDERS = {
    "mlp": partial(mlp, hidden=[20, 12]),
    "cnn": partial(cnn, channels=[4, 4, 6, 6], hidden=12),
    "resnet18": partial(resnet18, width=4),
}
SETTINGS = {
    "input_shape": (3, 8, 8),
    "num_classes": 3,
    "num_heads": 2,
    "normalisation": "none",
    "weights": "real",
}


@pytest.fixture(params=BUILDERS)
def build(request: pytest.FixtureRequest) -> Callable[..., Network]:
    """A builder that takes changes to the settings above."""
    return lambda **changes: BUILDERS[request.param](**{**SETTINGS, **changes})


@pytest.fixture(params=["batch", "layer", "group", "none"])
def normalisation(request: pytest.FixtureRequest) -> str:
    """Each kind of normalisation."""
    return request.param


@pytest.fixture(params=["real", "binary"])
def weights(request: pytest.FixtureRequest) -> str:
    """Each kind of weights."""
    return request.param


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    torch.manual_seed(0)
