"""Our seeds beside published ones: two independent samples, of which means, spreads and numbers are known.

Ours has the mean m, the sample standard deviation s and n seeds; what was published has p, s' and n'. No seed
of the one belongs to a seed of the other, so that both spreads count.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

SEM, STD = "sem", "std"  # kinds of spread, in lower case
SPREADS = (SEM, STD)


class Sample(NamedTuple):
    """What is known of a set of seeds.

    Attributes:
        mean: m.
        deviation: s, the sample standard deviation over seeds; nan where it is not known.
        number: n.

    >>> Sample(mean=90.0, deviation=0.2, number=5).number
    5
    """

    mean: float
    deviation: float
    number: int


class Difference(NamedTuple):
    """The difference of two means, with its standard error.

    Attributes:
        difference: m - p.
        error: e, its standard error; nan where no spread is known.
        degrees: of freedom; nan likewise.

    >>> found = Difference(difference=1.0, error=0.5, degrees=4.0)
    >>> found.difference / found.error
    2.0
    """

    difference: float
    error: float
    degrees: float


def sample_of(values: ArrayLike) -> Sample:
    """The sample that these values are, one a seed.

        m = 1/n sum x,   s^2 = 1/(n-1) sum (x - m)^2

    Args:
        values: x [n]; of one value s is nan, of none m too.

    >>> found = sample_of([89.0, 90.0, 91.0])
    >>> found.mean, found.deviation, found.number
    (90.0, 1.0, 3)
    """
    observed = np.asarray(values, dtype=float)
    number = len(observed)
    mean = float(observed.mean()) if number else math.nan
    return Sample(mean, float(observed.std(ddof=1)) if number > 1 else math.nan, number)


def published_sample(mean: float, *, spread: float | None, spread_kind: str, number: int | None) -> Sample:
    """What a paper tells of its seeds.

        s' = spread (std),   s' = spread sqrt(n') (SEM)

    A paper that does not say how many seeds it had is taken for one of one seed: less cannot be. One seed has
    no spread, and so has a spread of a kind that is not known.

    Args:
        spread_kind: one of `SPREADS`, in letters of any case.

    >>> published_sample(90.0, spread=0.5, spread_kind="SEM", number=16)
    Sample(mean=90.0, deviation=2.0, number=16)
    >>> published_sample(87.44, spread=None, spread_kind="", number=None)
    Sample(mean=87.44, deviation=nan, number=1)
    """
    seeds = 1 if number is None else int(number)
    kind = spread_kind.lower()
    if spread is None or seeds < 2 or kind not in SPREADS:
        return Sample(mean, math.nan, max(seeds, 1))
    return Sample(mean, spread * (math.sqrt(seeds) if kind == SEM else 1), seeds)


def difference_of(ours: Sample, published: Sample) -> Difference:
    """The difference of two independent means, and how exactly it is known.

    Both spreads known (Welch 1947, with the degrees of freedom of Satterthwaite 1946):

        e^2 = s^2/n + s'^2/n',   df = e^4 / ((s^2/n)^2 / (n-1) + (s'^2/n')^2 / (n'-1))

    One of them known, say s: the other is taken to be as large.

        e = s sqrt(1/n + 1/n'),   df = n - 1

    For n' = 1 this is the error of the prediction of one more seed, s sqrt(1 + 1/n).

    >>> ours = Sample(90.0, deviation=1.0, number=4)
    >>> found = difference_of(ours, Sample(91.0, deviation=1.0, number=4))
    >>> round(found.error, 4), round(found.degrees, 4)
    (0.7071, 6.0)
    >>> found = difference_of(ours, Sample(91.0, deviation=np.nan, number=1))
    >>> round(found.error, 4), found.degrees
    (1.118, 3.0)
    """
    difference = ours.mean - published.mean
    known = [each for each in (ours, published) if not math.isnan(each.deviation)]
    if not known:
        return Difference(difference, math.nan, math.nan)
    if len(known) == 1:
        (one,) = known
        both = math.sqrt(1 / ours.number + 1 / published.number)
        return Difference(difference, one.deviation * both, one.number - 1.0)
    parts = [(each.deviation**2 / each.number, each.number - 1) for each in known]
    variance = sum(part for part, _ in parts)
    below = sum(part**2 / degrees for part, degrees in parts)
    degrees = variance**2 / below if below else float(sum(degrees for _, degrees in parts))
    return Difference(difference, math.sqrt(variance), degrees)


def half_width(found: Difference, *, level: float = 0.95) -> float:
    """Half the width of the interval of a difference.

        t_df e

    t is the (1 + level) / 2 quantile of Student's distribution. Where one of two samples is a single seed, it
    is the interval in which one more seed of the other is to be expected.

    >>> round(half_width(Difference(1.0, error=0.5, degrees=4.0)), 4)  # 2.7764 * 0.5
    1.3882
    """
    return float(stdtrit(found.degrees, (1 + level) / 2)) * found.error


def equivalence_p(found: Difference, *, margin: float) -> float:
    """The p-value of two one-sided tests of |difference| >= margin; small where two means agree.

        p = 1 - F((d - |m - p|) / e)

    F is Student's distribution with df degrees of freedom. Sources: Schuirmann 1987 (two one-sided tests);
    Welch 1947.

    Args:
        margin: d, in the unit of the difference.

    Raises:
        ValueError: for a margin that is not positive.

    >>> round(equivalence_p(Difference(0.2, error=0.5, degrees=9.0), margin=2.0), 4)
    0.0029
    """
    if not margin > 0:
        raise ValueError(f"margin must be positive, got {margin=}")
    distance = margin - abs(found.difference)
    if found.error == 0:
        return 0.0 if distance > 0 else 1.0 if distance < 0 else 0.5
    return float(stdtr(found.degrees, -distance / found.error))
