"""The questions that `cl-bench check` asks of a strategy, ours or anybody's."""
