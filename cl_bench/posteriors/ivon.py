"""Improved variational online Newton (IVON): a Gaussian posterior at about Adam's cost.

Source: Shen, Daheim, Cong, Nickl, Marconi, Bazan, Yokota, Gurevych, Cremers, Khan, Möllenhoff, "Variational
Learning is Effective for Large Deep Networks", ICML 2024. There are N examples and a prior N(m0, v0).
The posterior is N(m, s^2), s^2 = 1 / (N (h + d)), with d = 1 / (N v0). The gradient g of the mean loss at
w = m + s e, with standard normal e, gives

    h' = g e / s,   g_bar <- b1 g_bar + (1 - b1) g,
    h <- b2 h + (1 - b2) h' + (1 - b2)^2 (h - h')^2 / (2 (h + d)),
    m <- m - alpha (g_bar / (1 - b1^t) + d (m - m0)) / (h + d).

h' is on average the curvature of the loss (Price's theorem), for the cost of the gradient. The last term of h
keeps h + d positive for any h'. Here the state is the precision p = 1 / s^2 = N (h + d). The rule
is the same (the form is ours), and p has a meaning without a task's number of examples. With p0 = 1 / v0

    p' = N h' + p0,   x = (1 - b2) (p' - p) / p,   p <- p (1 + x + x^2 / 2).

Read: the abstract, and the authors' code (package ivon-opt 0.1.3). These are its steps, with rescale_lr=False
and a prior around 0 of one precision. The paper's own text was not at hand. The prior of each weight is as in
the authors' code of CoVON (see `merge`). There the curvature and the average of gradients restart at a task.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from cl_bench.posteriors.gaussian import Gaussian


class Precise(NamedTuple):
    """A factorised Gaussian over P weights, by mean and precision.

    Attributes:
        mean: m [P], in units of the weights.
        precision: p [P], positive; the reciprocal of the variance.

    >>> ivon.Precise(mean=torch.zeros(2), precision=torch.full((2,), 4.0)).precision
    tensor([4., 4.])
    """

    mean: Tensor
    precision: Tensor


def as_gaussian(state: Precise) -> Gaussian:
    """A Gaussian that is given by its precision, by its log-variance.

        log v = -log p

    >>> ivon.as_gaussian(ivon.Precise(torch.zeros(1), torch.tensor([4.0])))
    Gaussian(mean=tensor([0.]), log_variance=tensor([-1.3863]))
    """
    return Gaussian(state.mean, -state.precision.log())


def sample(state: Precise, noise: Tensor) -> Tensor:
    """Weights drawn from the posterior, by standard normal noise.

        w = m + e / sqrt(p)

    Args:
        noise: e [P].

    Returns:
        w [P].

    >>> state = ivon.Precise(torch.ones(2), precision=torch.tensor([4.0, 1.0]))
    >>> ivon.sample(state, noise=torch.tensor([2.0, 2.0]))
    tensor([2., 3.])
    """
    return torch.addcmul(state.mean, noise, state.precision.rsqrt())


def curvature(gradient: Tensor, noise: Tensor, precision: Tensor) -> Tensor:
    """An estimate of the loss's curvature from the gradient at drawn weights.

        h' = g e / s = g e sqrt(p)

    Its mean over the noise is that of the second derivatives over the posterior (Price's theorem). It may be
    negative, even where the loss is convex.

    Args:
        gradient: g [P], at `sample(state, noise)`.
        noise: e [P].
        precision: p [P], of the state that was drawn from.

    Returns:
        h' [P], in the unit of the loss over that of the weights squared.

    >>> gradient, noise = torch.tensor([0.5, 0.5]), torch.tensor([1.0, -0.5])
    >>> ivon.curvature(gradient, noise, precision=torch.tensor([4.0, 4.0]))
    tensor([ 1.0000, -0.5000])
    """
    return gradient * noise * precision.sqrt()


def averaged(average: Tensor, gradient: Tensor, *, momentum: float, num_steps: int) -> tuple[Tensor, Tensor]:
    """The running average of gradients after one more, and what it is without its start at 0.

        g_bar <- b1 g_bar + (1 - b1) g,   g_bar / (1 - b1^t)

    Args:
        average: g_bar [P] so far, 0 before the first step.
        gradient: g [P].
        momentum: b1, from 0 to below 1.
        num_steps: t, the number of gradients with this one.

    Returns:
        Both, [P] each.

    >>> ivon.averaged(torch.zeros(1), torch.ones(1), momentum=0.75, num_steps=1)
    (tensor([0.2500]), tensor([1.]))
    """
    average = torch.lerp(gradient, average, momentum)
    return average, average / (1 - momentum**num_steps)


def step(
    state: Precise,
    gradient: Tensor,
    curvature: Tensor,
    prior: Precise,
    *,
    num_examples: float,
    step_size: float,
    curvature_momentum: float,
    clip: float | None,
    active: Tensor | None = None,
) -> Precise:
    """One step of IVON: the precision towards what the curvature says, the mean by Newton's method.

        x = (1 - b2) (N h' + p0 - p) / p
        p <- p (1 + x + x^2 / 2)
        m <- m - alpha cut((N g + p0 (m - m0)) / p)

    p stays positive, as 1 + x + x^2 / 2 is never below 1/2. The mean sees the new p. For the rule in the
    paper's letters see the head of this module.

    Args:
        gradient: g [P], of the mean loss of an example; an average over steps.
        curvature: h' [P], of the same loss; a mean over weight samples.
        prior: N(m0, 1 / p0), [P] each.
        num_examples: N; divided by a weight of the prior it tempers the posterior.
        step_size: alpha; 1 is Newton's whole step.
        curvature_momentum: b2.
        clip: each weight's Newton step, without alpha, is cut to +-clip, in units of the weights (the
            authors' clip_radius); None does not cut.
        active: 1 for the weights that may move, 0 for those that stay as they are; None for all.

    >>> prior = ivon.Precise(torch.zeros(2), torch.ones(2))
    >>> state = ivon.Precise(torch.ones(2), torch.tensor([1.0, 10.0]))
    >>> state = ivon.step(
    ...     state,
    ...     gradient=torch.full((2,), 0.1),
    ...     curvature=torch.full((2,), 0.09),
    ...     prior=prior,
    ...     num_examples=100,
    ...     step_size=0.5,
    ...     curvature_momentum=0.5,
    ...     clip=None,
    ... )
    >>> state.precision  # both on their way to 100 * 0.09 + 1; the first leaps
    tensor([15.6250, 10.0000])
    >>> state.mean
    tensor([0.6480, 0.4500])
    """
    mean, precision = state
    change = (curvature * num_examples + prior.precision).div_(precision).sub_(1).mul_(1 - curvature_momentum)
    precision = torch.addcmul(change + 1, change, change, value=0.5).mul_(precision)
    direction = torch.addcmul(gradient * num_examples, prior.precision, mean - prior.mean).div_(precision)
    if clip is not None:
        direction = direction.clamp_(-clip, clip)
    if active is not None:
        direction = direction * active
        precision = torch.where(active > 0, precision, state.precision)
    return Precise(torch.sub(mean, direction, alpha=step_size), precision)


def merge(posterior: Precise, prior: Precise, *, mean_share: float, precision_share: float) -> Precise:
    """A posterior merged with the prior it came from, as the prior of the next task (CoVON).

        p_next = p0 + c_s (p - p0)
        m_next = ((1 - c_m) p0 m0 + c_m p m) / p_next

    With equal shares c it is the normalised product of prior^(1 - c) and posterior^c; 1 is the posterior
    itself, as in variational continual learning, and 0 the prior. With unequal ones the mean is no average:
    where prior and posterior agree on m, it is off by the factor (p0 + c_m (p - p0)) / p_next.

    Source: the authors' code (paulsubarna/Continual-IVON, covon.py, get_prior) of Paul et al. 2026, "Fast and
    Slow Variational Continual Learning", arXiv 2606.24007. Of the paper the abstract alone was read. The code
    leaves the mean alone where c_m is 1 exactly, which the formula does where c_s is 1, too. Its first task
    has no prior in this merge; here it has the first one (ours).

    Args:
        posterior: N(m, 1 / p) after the task, [P] each.
        prior: N(m0, 1 / p0), which the task began with.
        mean_share, precision_share: c_m (gamma_m) and c_s (gamma_s), from 0 to 1.

    >>> prior = ivon.Precise(torch.zeros(1), torch.tensor([2.0]))
    >>> posterior = ivon.Precise(torch.ones(1), torch.tensor([6.0]))
    >>> ivon.merge(posterior, prior, mean_share=0.5, precision_share=0.5)
    Precise(mean=tensor([0.7500]), precision=tensor([4.]))
    """
    precision = torch.lerp(prior.precision, posterior.precision, precision_share)
    if mean_share == 1:
        return Precise(posterior.mean.clone(), precision)
    total = torch.lerp(prior.precision * prior.mean, posterior.precision * posterior.mean, mean_share)
    return Precise(total / precision, precision)
