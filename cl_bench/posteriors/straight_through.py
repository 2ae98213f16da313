"""Binary weights by the straight-through estimator (BinaryConnect / BinaryNet).

Sources: Courbariaux, Bengio, David, "BinaryConnect", NeurIPS 2015, algorithm 1; Hubara et al., "Binarized
Neural Networks", NeurIPS 2016, equation 4. It is the method that BayesBiNN is compared with in its paper
(STE, Adam).
"""

from torch import Tensor


def binarise(latent: Tensor) -> Tensor:
    """sign(latent), with sign(0) = +1; [P] of -1 and +1."""
    return (latent >= 0).to(latent.dtype).mul_(2).sub_(1)


def latent_gradient(latent: Tensor, gradient: Tensor) -> Tensor:
    """The gradient at the binary weights, passed to the latent ones where |latent| <= 1, else 0; [P]."""
    return gradient * (latent.abs() <= 1)


def clip(latent: Tensor) -> Tensor:
    """Latent weights kept in [-1, 1], where their gradient is not 0."""
    return latent.clamp(-1, 1)
