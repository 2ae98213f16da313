"""CoVON: IVON whose next prior is the posterior merged with the prior it came from."""

from typing import Any

from cl_bench.learner.claims import Claims
from cl_bench.posteriors import ivon
from cl_bench.posteriors.ivon import Precise
from cl_bench.strategies.ivon import CONJUGATE, IVON


class CoVON(IVON):
    """IVON with slow adaptation: the next prior is `merge` of posteriors/ivon.py, of posterior and prior.

        p_next = p0 + precision_share (p - p0)
        m_next = ((1 - mean_share) p0 m0 + mean_share p m) / p_next

    With mean_share 1 exactly m_next = m, as in the code. The weights go on from the posterior's mean. With
    both shares 1 it is IVON. Source: the authors' code
    (paulsubarna/Continual-IVON) of Paul et al. 2026, arXiv 2606.24007, of which the abstract alone was read.
    Not from there: the first prior, which counts in the first merge too, and an effective sample size of
    N_t / kl_weight. Theirs is a number by task, found by a search, as are their step sizes.

    Args:
        mean_share, precision_share: gamma_m and gamma_s of the code, from 0 to 1. Where they are equal the
            next prior is the product of prior^(1 - share) and posterior^share. Otherwise its mean is no
            average of the two means. The others are IVON's.
    """

    stackable = True
    claims = Claims(
        conjugate={**CONJUGATE, "strategy.mean_share": 1.0, "strategy.precision_share": 1.0},
    )

    def __init__(self, *, mean_share: float, precision_share: float, **settings: Any) -> None:
        for name, share in (("mean_share", mean_share), ("precision_share", precision_share)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {name}={share}")
        super().__init__(**settings)
        self.mean_share, self.precision_share = mean_share, precision_share

    def next_prior(self) -> Precise:
        """The prior of the next task: the posterior of this one, merged with the prior of this one."""
        return ivon.merge(
            self.posterior, self.prior, mean_share=self.mean_share, precision_share=self.precision_share
        )
