"""A run's log, in a folder that may be somebody else's. Only the standard library is needed."""

import logging
from io import TextIOWrapper

from cl_bench.records.atomic import own_place


class RunLog(logging.FileHandler):
    """A log in a regular file, appended to; what is written goes through no link, and waits for no pipe.

    Raises:
        OSError: where something else is in its place.
    """

    def _open(self) -> TextIOWrapper:
        file = open(self.baseFilename, "ab", opener=own_place)  # noqa: SIM115 (it is closed by `close`)
        return TextIOWrapper(file, encoding="utf-8", errors="backslashreplace")
