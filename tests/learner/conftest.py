"""Runs from conf/, tiny tasks made of tensors, and a small stream."""

from everyday import make_finetune, real_network, two_tasks  # noqa: F401
from lab import double_precision, lab, make_vcl, own_cache_and_one_thread  # noqa: F401
from small_parts import augmented_stream, learner, network, single_head_stream, stream  # noqa: F401
