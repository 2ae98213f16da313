"""What strategies with binary weights share."""

from torch import nn

from cl_bench.models.stacked import StackedNetwork


def check_binary_network(network: nn.Module, method: str) -> None:
    """Every parameter becomes -1 or +1, so that there must be no biases and no affine normalisation.

    Raises:
        ValueError: that names the parameter and what to set.
    """
    seed_axes = 1 if isinstance(network, StackedNetwork) else 0
    for name, parameter in network.named_parameters():
        if parameter.dim() - seed_axes < 2:
            raise ValueError(
                f"{method} makes every weight -1 or +1, so the network may have no biases and no affine "
                "normalisation: set model.weights=binary, "
                f"got parameter {name} of shape {tuple(parameter.shape)}"
            )
