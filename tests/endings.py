"""Ways in which code ends a run, without Avalanche: a process of a job that imports it takes 8 s."""

import os
import sys


class Unusual(BaseException):
    """Nobody expects it."""


class Impatient(KeyboardInterrupt):
    """No Ctrl-C."""


class MuteError(LookupError):
    """Cannot say what it is, nor travel to another process."""

    def __init__(self, one, two):
        super().__init__(one)
        self.thread = lambda: two

    def __str__(self):
        raise ValueError("no message")

    def __reduce__(self):
        raise TypeError("stays here")


class StrangeError(LookupError):
    """Travels to another process, and cannot be put together there."""

    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


def leave(status):
    return lambda: sys.exit(status)


def throw(error):
    def thrown():
        raise error

    return thrown


# how a run is ended -> what says so, and by what it is named
ENDINGS = {
    "exit0": (leave(0), "SystemExit: 0"),
    "exit3": (leave(3), "SystemExit: 3"),
    "exitNone": (leave(None), "SystemExit"),
    "generator": (throw(GeneratorExit("over")), "GeneratorExit: over"),
    "iteration": (throw(StopIteration("over")), "StopIteration"),
    "unusual": (throw(Unusual("so")), "Unusual: so"),
    "impatient": (throw(Impatient("now")), "Impatient: now"),
    "leave0": (lambda: os._exit(0), "os._exit(0)"),
    "leave7": (lambda: os._exit(7), "os._exit(7)"),
    "mute": (throw(MuteError("a", "b")), "MuteError"),
    "strange": (throw(StrangeError("a", "b")), "StrangeError: a b"),
}
