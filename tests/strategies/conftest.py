"""Runs from conf/, and tiny tasks made of tensors."""

from lab import binary_network, double_precision, lab, make_bayesbinn, make_vcl, own_cache_and_one_thread  # noqa: F401
