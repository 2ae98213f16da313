"""Binary weights by the straight-through estimator: what BayesBiNN is compared with in its paper."""

from torch import nn

from cl_bench.learner.binary import LatentLearner
from cl_bench.learner.claims import Claims
from cl_bench.learner.flat_parameters import FlatParameters
from cl_bench.posteriors import straight_through


class StraightThrough(LatentLearner):
    """The network runs with sign(latent); an optimizer (Adam in the paper) moves the latent weights in [-1,
    1].

    It has nothing against forgetting. Sources: Courbariaux et al. 2015; Hubara et al. 2016.
    """

    stackable = True
    claims = Claims(against_forgetting=False)
    method = "straight_through"

    def lay_out(self, network: nn.Module) -> FlatParameters:
        flat = super().lay_out(network)
        self.latent.data = straight_through.clip(self.latent.data)
        return flat

    def optimizer_step(self) -> None:
        self.latent.grad = straight_through.latent_gradient(self.latent.data, self.flat.gradients)
        super().optimizer_step()
        self.latent.data = straight_through.clip(self.latent.data)
        self.flat.set(straight_through.binarise(self.latent.data))
