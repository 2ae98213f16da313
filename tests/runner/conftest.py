"""Runs of a second or less, and nothing of Hydra left behind."""

from small_runs import as_before, configured, small  # noqa: F401
