"""Numbers as they stand in tables and sentences."""

import math

UNKNOWN = "–"


def tenths(value: float, *, sign: bool = False, unknown: str = UNKNOWN) -> str:
    """A number with one decimal; what rounds to 0 has no minus, and nan is a dash.

    >>> tenths(-0.04), tenths(1.26, sign=True), tenths(float("nan"))
    ('0.0', '+1.3', '–')
    """
    return rounded(value, 1, sign=sign, unknown=unknown)


def rounded(value: float, decimals: int, *, sign: bool = False, unknown: str = UNKNOWN) -> str:
    """A number with so many decimals (of a metric: `Metric.decimals`), with the rules of `tenths`.

    >>> rounded(0.2253, 3), rounded(-0.0004, 3)
    ('0.225', '0.000')
    """
    if math.isnan(value):
        return unknown
    text = f"{value:{'+' if sign else ''}.{decimals}f}"
    return text if text.strip("-+0.") else text.replace("-", "+" if sign else "")
