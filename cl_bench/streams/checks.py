"""The rules of a stream's settings, where streams have always found them."""

from cl_bench.validation import check_choice, check_num_tasks, check_number

__all__ = ["check_choice", "check_num_tasks", "check_number"]
