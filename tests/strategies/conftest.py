"""Runs from conf/, and tiny tasks made of tensors."""

from lab import double_precision, lab, make_vcl, own_cache_and_one_thread  # noqa: F401
