"""Metrics of what a strategy answered: functions of (probabilities [N, K], labels [N]) -> number.

`cl-bench metric` computes them for each test whose predictions were saved. They are told by their name and
by two words that `of_predictions` puts on them. A plain function is one, too.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

PredictionMetric = Callable[[Any, Any], float]
_Function = TypeVar("_Function", bound=PredictionMetric)
_TOP = re.compile(r"top_([1-9]\d{0,3})")


def of_predictions(*, unit: str = "", better: str = "") -> Callable[[_Function], _Function]:
    """Say of a function how its number is shown, and which way is better.

    Args:
        unit: `%` where it is a fraction; empty: the number as it is.
        better: higher, lower, or empty where neither is.

    >>> @of_predictions(unit="%", better="lower")
    ... def error_rate(probabilities, labels):
    ...     return np.mean(probabilities.argmax(axis=1) != labels)
    >>> error_rate.unit, error_rate.better
    ('%', 'lower')
    """

    def told(function: _Function) -> _Function:
        function.unit, function.better = unit, better  # type: ignore[attr-defined]
        return function

    return told


def top_k(probabilities: ArrayLike, labels: ArrayLike, *, k: int) -> float:
    """The share of examples whose label is among the k most probable classes.

    An example counts where fewer than k classes come before its label. Of classes that are as probable the
    first ones come first, as in argmax, so that k = 1 gives the accuracy. With k classes or fewer it is 1.

    >>> round(top_k([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], [1, 2], k=2), 3)
    0.5
    """
    p, y = np.asarray(probabilities), np.asarray(labels)
    own = p[np.arange(len(y)), y][:, None]
    before = np.arange(p.shape[1]) < y[:, None]
    return float(np.mean(((p > own) | (before & (p == own))).sum(axis=1) < k))


@of_predictions(unit="%", better="higher")
def macro_f1(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """The mean over classes of the F1 score, as scikit-learn's `f1_score(average="macro")`.

    The classes are those among labels and predictions.

    >>> round(macro_f1([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]], [0, 1, 1]), 3)
    0.667
    """
    from sklearn.metrics import f1_score

    predicted = np.asarray(probabilities).argmax(axis=1)
    return float(f1_score(labels, predicted, average="macro", zero_division=0))


@of_predictions(unit="%", better="higher")
def worst_class_accuracy(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """The accuracy on the class where it is lowest, of those among the labels.

    >>> worst_class_accuracy([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]], [0, 1, 1])
    0.5
    """
    y = np.asarray(labels)
    right = np.asarray(probabilities).argmax(axis=1) == y
    return float(min(right[y == each].mean() for each in np.unique(y)))


@of_predictions(better="lower")
def negative_log_likelihood(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """The mean of -log p(label), in nats: `nll` of records.csv, computed again.

    >>> round(negative_log_likelihood([[0.5, 0.5], [0.25, 0.75]], [0, 0]), 4)
    1.0397
    """
    p, y = np.asarray(probabilities, dtype=float), np.asarray(labels)
    with np.errstate(divide="ignore"):
        return float(-np.log(p[np.arange(len(y)), y]).mean())


BUILT_IN: dict[str, PredictionMetric] = {
    each.__name__: each for each in (macro_f1, worst_class_accuracy, negative_log_likelihood)
}
LISTED = ("top_5", *BUILT_IN)  # top_1, top_2, ... are there as well


def built_in(name: str) -> PredictionMetric | None:
    """The metric of ours with this name, top_1, top_2, ... among them; None where there is none.

    >>> metric = built_in("top_2")
    >>> metric.__name__, metric.unit, metric([[0.5, 0.3, 0.2]], [1])
    ('top_2', '%', 1.0)
    """
    match = _TOP.fullmatch(name)
    if match is None:
        return BUILT_IN.get(name)
    number = int(match[1])

    @of_predictions(unit="%", better="higher")
    def top(probabilities: ArrayLike, labels: ArrayLike) -> float:
        return top_k(probabilities, labels, k=number)

    top.__name__ = name
    top.__doc__ = f"The share of examples whose label is among the {number} most probable classes."
    return top
