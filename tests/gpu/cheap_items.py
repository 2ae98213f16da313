"""Items that need neither torch nor time, and a programme of them; run as a program with a folder."""

import os
import sys
import time
from pathlib import Path

from gpu.budget import Budget
from gpu.items import PASS, Answer, Item, LeftOutError, Part
from gpu.process import Worker
from gpu.programme import Programme, Setting

HERE = "cheap_items"
ENVIRONMENT = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}


def nothing(device):
    pass


def no_such_device(device):
    raise ValueError(f"training.device={device} needs one")


def pid(given):
    yield os.getpid()


def quick(given):
    yield Answer("quick", PASS, 1.0)


def waits(given):
    """Until somebody allows it to go on."""
    Path(given.output, "pid").write_text(str(os.getpid()))
    yield Answer("before", PASS)
    while not Path(given.output, "allowed").exists():
        time.sleep(0.02)
    yield Answer("after", PASS)


def hangs(given):
    yield Answer("before", PASS)
    time.sleep(600)


def dies(given):
    yield Answer("before", PASS)
    os._exit(3)


def raises(given):
    print("what it said")
    yield Answer("before", PASS)
    raise KeyError("no\nsuch thing")


def breaks(given):
    yield Answer("before", PASS)
    raise RuntimeError("CUDA error: device-side assert triggered")


def lacks(given):
    yield from ()
    raise LeftOutError("MNIST is missing")


def worker(folder):
    return Worker("cpu", folder / "log.txt", ENVIRONMENT, f"{HERE}:nothing")


def programme(folder):
    items = tuple(
        Item("part", name, f"{HERE}:{name}") for name in ("quick", "waits", "dies", "raises", "lacks")
    )
    return Programme(
        (Part("part", 1.0, items),), Setting(folder, "cpu", False, "an abacus", lambda: worker(folder))
    )


if __name__ == "__main__":
    programme(Path(sys.argv[1])).run(Budget.of(60))
