"""The rules of a strategy's settings, where strategies have always found them."""

from cl_bench.validation import check_choice, check_count, check_not_negative, check_positive, check_share

__all__ = ["check_choice", "check_count", "check_not_negative", "check_positive", "check_share"]
