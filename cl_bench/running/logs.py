"""A run's log, in a folder that may be somebody else's. Only the standard library is needed."""

import logging
from typing import TextIO

from cl_bench.files import own_place


class RunLog(logging.FileHandler):
    """Appends to a regular file; what is written goes through no link, and waits for no pipe.

    Raises:
        OSError: where something else is in its place.
    """

    def _open(self) -> TextIO:
        return open(
            self.baseFilename, self.mode, encoding="utf-8", errors="backslashreplace", opener=own_place
        )
