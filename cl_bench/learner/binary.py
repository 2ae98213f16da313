"""What strategies with binary weights share."""

from typing import Any

from torch import nn

from cl_bench.learner.base import Learner
from cl_bench.learner.flat_parameters import FlatParameters
from cl_bench.models.parameters import trainable
from cl_bench.models.stacked import StackedNetwork
from cl_bench.posteriors.straight_through import binarise


def check_binary_network(network: nn.Module, method: str) -> None:
    """Every trained parameter becomes -1 or +1, so that there must be no biases and no affine normalisation,
    but for frozen ones, which keep their values.

    Raises:
        ValueError: that names the parameter and what to set.
    """
    seed_axes = 1 if isinstance(network, StackedNetwork) else 0
    for name, parameter in trainable(network).items():
        if parameter.dim() - seed_axes < 2:
            raise ValueError(
                f"{method} makes every weight -1 or +1, so the network may have no biases and no affine "
                "normalisation: set model.weights=binary, "
                f"got parameter {name} of shape {tuple(parameter.shape)}"
            )


class LatentLearner(Learner):
    """A learner of real latent weights, [P], whose network is tested with their signs.

    They start at the network's own first weights. An optimizer, new for each task, moves them: heads of other
    tasks have no gradient and stand still.
    """

    may_freeze_later = False
    binary = True
    kept = ("latent",)
    method: str  # as it is called in conf/

    def __init__(self, **learner: Any) -> None:
        check_binary_network(learner["model"], self.method)
        super().__init__(**learner)

    def lay_out(self, network: nn.Module) -> FlatParameters:
        flat = super().lay_out(network)
        self.latent = nn.Parameter(flat.values.data.clone())
        flat.set(binarise(self.latent.data))
        return flat

    def optimized(self) -> nn.Parameter:
        return self.latent
