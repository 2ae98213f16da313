"""The questions that a strategy must answer: ours and anybody's."""
