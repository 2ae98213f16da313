"""Binary weights by the straight-through estimator (BinaryConnect / BinaryNet).

Source: Courbariaux, Bengio, David, "BinaryConnect", NeurIPS 2015, algorithm 1. The other source is Hubara et
al., "Binarized Neural Networks", NeurIPS 2016, equation 4. It is the method that BayesBiNN is compared with
in its paper (STE, Adam).
"""

from torch import Tensor


def binarise(latent: Tensor) -> Tensor:
    """The binary weight of each latent one: its sign.

        w = sign(latent),   with sign(0) = +1

    Source: Courbariaux, Bengio, David 2015, algorithm 1.

    Args:
        latent: [P].

    Returns:
        [P] of -1 and +1.

    >>> straight_through.binarise(torch.tensor([-0.3, 0.0, 2.0]))
    tensor([-1.,  1.,  1.])
    """
    return (latent >= 0).to(latent.dtype).mul_(2).sub_(1)


def latent_gradient(latent: Tensor, gradient: Tensor) -> Tensor:
    """The gradient at the binary weights, passed on to the latent ones unless they are saturated.

        g where |latent| <= 1, else 0

    Source: Hubara et al. 2016, equation 4.

    Args:
        latent, gradient: [P].

    Returns:
        [P].

    >>> straight_through.latent_gradient(
    ...     torch.tensor([0.5, 1.5]), gradient=torch.tensor([3.0, 3.0])
    ... )
    tensor([3., 0.])
    """
    return gradient * (latent.abs() <= 1)


def clip(latent: Tensor) -> Tensor:
    """The latent weights kept in [-1, 1], where their gradient is not 0.

    Source: Courbariaux, Bengio, David 2015, algorithm 1.

    Args:
        latent: [P].

    >>> straight_through.clip(torch.tensor([0.5, 1.5]))
    tensor([0.5000, 1.0000])
    """
    return latent.clamp(-1, 1)
