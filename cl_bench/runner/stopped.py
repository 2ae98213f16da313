"""The end of a process that was told to stop; apart from signals.py, which imports Avalanche."""

import signal


class Stopped(SystemExit):
    """The process was told to end, and what there was to save is saved."""

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)  # as a shell reports it
        self.signum = signum

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.signum).name}"
