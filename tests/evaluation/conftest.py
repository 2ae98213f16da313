"""A stream of two small tasks, a network for it, and the settings of a learner."""

from lab import lab  # noqa: F401
from small_parts import augmented_stream, learner, network, single_head_stream, stream  # noqa: F401
