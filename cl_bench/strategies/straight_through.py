"""Binary weights by the straight-through estimator: what BayesBiNN is compared with in its paper."""

from typing import Any

from torch import Tensor, nn

from cl_bench.posteriors import straight_through
from cl_bench.strategies.binary import check_binary_network
from cl_bench.strategies.learner import Learner
from cl_bench.training.flat import FlatParameters


class StraightThrough(Learner):
    """The network runs with sign(latent); an optimizer (Adam in the paper) moves the latent weights in [-1,
    1].

    It has nothing against forgetting. Sources: Courbariaux et al. 2015; Hubara et al. 2016.
    """

    stackable = True

    def __init__(self, **learner: Any) -> None:
        check_binary_network(learner["model"], "straight_through")
        super().__init__(**learner)

    def lay_out(self, network: nn.Module) -> FlatParameters:
        flat = super().lay_out(network)
        self.latent = nn.Parameter(straight_through.clip(flat.values.data))
        flat.set(straight_through.binarise(self.latent.data))
        return flat

    def optimized(self) -> nn.Parameter:
        return self.latent

    def optimizer_step(self) -> None:
        self.latent.grad = straight_through.latent_gradient(self.latent.data, self.flat.gradients)
        super().optimizer_step()
        self.latent.data = straight_through.clip(self.latent.data)
        self.flat.set(straight_through.binarise(self.latent.data))

    def state_tensors(self) -> dict[str, Tensor]:
        return {"latent": self.latent.data}
