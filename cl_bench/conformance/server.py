"""Another interpreter that imports once, and answers each question in a fork of its own: as new each time.

Run as a program by `cl_bench.conformance.processes`, with the number of a connection.
"""

import importlib.util
import os
import pickle
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from cl_bench.deferred import deferred


def serve(connection: Connection) -> None:
    """Answer until nobody asks."""
    while True:
        try:
            asked = connection.recv_bytes()
        except EOFError:
            return
        child = os.fork()
        if child == 0:
            connection.send_bytes(pickle.dumps(answered(asked)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            connection.send_bytes(pickle.dumps(RuntimeError(f"the process ended with status {status}")))


def answered(asked: bytes) -> Any:
    """Return what the function says, or the error that it raises.

    That is an ImportError where a module is not to be found, and a RuntimeError for any other.
    """
    try:
        function, files, arguments = pickle.loads(asked)
        for name, file in files.items():
            _import(name, file)
    except Exception as error:  # whatever a module may raise
        return ImportError(_in_words(error))
    try:
        return function(*pickle.loads(arguments))
    except Exception as error:  # whatever a strategy may raise
        return RuntimeError(_in_words(error))


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _import(name: str, file: str | None) -> None:
    """Import a module, by its file where it is not to be found by its name, as some test files are."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if file is None or error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])


def main(arguments: Sequence[str]) -> None:
    """Import what questions need, then serve."""
    (number,) = arguments
    os.dup2(2, 1)  # what a strategy prints
    with deferred():
        import torch

        torch.set_num_threads(1)  # none is started before a fork
        importlib.import_module("cl_bench.conformance.elsewhere")
    from cl_bench.config.compose import register

    register()
    serve(Connection(int(number)))


if __name__ == "__main__":
    main(sys.argv[1:])
