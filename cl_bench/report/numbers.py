"""Numbers as they stand in tables and sentences."""

import math

UNKNOWN = "–"


def tenths(value: float, *, sign: bool = False, unknown: str = UNKNOWN) -> str:
    """A number with one decimal; what rounds to 0 has no minus, and nan is a dash.

    >>> tenths(-0.04), tenths(1.26, sign=True), tenths(float("nan"))
    ('0.0', '+1.3', '–')
    """
    if math.isnan(value):
        return unknown
    text = f"{value:+.1f}" if sign else f"{value:.1f}"
    return text.replace("-", "+" if sign else "") if text == "-0.0" else text
