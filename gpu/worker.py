"""The process that does items: run by `process.Worker`, with a connection and a pipe by their numbers."""

import gc
import importlib
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

from gpu.items import LeftOutError

STICKY = (
    "CUDA error",
    "device-side assert",
    "cuDNN error",
    "CUBLAS",
)  # after which a context is of no more use
GRACE = 20.0  # seconds for a checkpoint, when whoever asked has gone


def serve(connection: Connection) -> None:
    """Do what is asked until nobody asks."""
    while True:
        try:
            work, given = connection.recv()
        except EOFError:
            return
        try:
            for answer in found(work)(given):
                connection.send(("answer", answer))
            connection.send(("end", None))
        except LeftOutError as why:
            connection.send(("left out", str(why)))
        except Exception as error:  # whatever an item may raise
            import traceback

            traceback.print_exc()
            kind = "last error" if is_lasting(str(error)) else "error"
            connection.send((kind, f"{type(error).__name__}: {' '.join(str(error).split())}"))
        sys.stdout.flush()


def is_lasting(said: str) -> bool:
    """Whether an error says that the device is of no more use to this process."""
    return any(word in said for word in STICKY)


def found(work: str) -> Any:
    """Return the function of `module:function`."""
    module, _, name = work.partition(":")
    return getattr(importlib.import_module(module), name)


def card(device: str) -> Iterator[str]:
    """Describe the device: its name, the driver, the versions of CUDA and torch."""
    from cl_bench.config.environment import hardware, versions

    about = hardware(device)
    parts = [
        str(about.get("gpu") or about["processor"]),
        *(f"{name} {about[key]}" for name, key in (("driver", "driver"), ("CUDA", "cuda")) if key in about),
        f"torch {versions()['torch']}",
    ]
    yield ", ".join(parts)


def prepare(device: str) -> None:
    """Set the process as a run does; it fails here where there is no such device."""
    from cl_bench.config.build import device_of
    from cl_bench.learner.process import prepare_process
    from cl_bench.runner.assembly import NOISE

    warnings.filterwarnings("ignore", message=NOISE)
    prepare_process(threads=1, precision="float32")
    device_of(device)
    gc.freeze()  # what was imported stays: each run ends with a collection, which need not look at it


def end_with(alive: int) -> None:
    """End this process when the one that asks has ended, which closes the pipe."""

    def wait() -> None:
        os.read(alive, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main(arguments: Sequence[str]) -> None:
    number, alive, start, device = arguments
    connection = Connection(int(number))
    end_with(int(alive))
    try:
        found(start)(device)
    except Exception as error:  # told to whoever asks first
        connection.recv()
        connection.send(("error", f"{type(error).__name__}: {error}"))
        return
    serve(connection)


if __name__ == "__main__":
    main(sys.argv[1:])
