"""A plugin that makes a run die, for the tests of sweeps."""

import os
import signal
from pathlib import Path

import torch
from avalanche.core import SupervisedPlugin
from endings import ENDINGS


class Ill(SupervisedPlugin):
    """Dies before its first task; with `once` only where there is no such file yet."""

    def __init__(self, how, once=None):
        super().__init__()
        self.how, self.once = how, once

    def before_training_exp(self, strategy, **_):
        if self.once and Path(self.once).exists():
            return
        if self.once:
            Path(self.once).touch()
        if self.how in ENDINGS:
            ENDINGS[self.how][0]()
        if self.how == "raise":
            raise LookupError("no such thing")
        if self.how == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "stop":
            os.kill(os.getpid(), signal.SIGUSR2)  # as Slurm does before the time is over
