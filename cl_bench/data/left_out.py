"""What a reader of a tree of images leaves out, counted by reason, to be told."""

from pathlib import PurePosixPath

from cl_bench.data.peculiar import listed
from cl_bench.records.text import one_line

DEEPER = "a folder deeper than train/<class>/"
OUTSIDE = "in no class folder"
NO_FILE = "as a link or no plain file"
TWICE = "twice in the archive, of which the last is read"
MOST_LETTERS = 200  # of a name in a note
ELSEWHERE = "in neither train nor test"
QUIET = ("thumbs.db", "desktop.ini", "__macosx")  # what systems leave behind; so are hidden files


class LeftOut:
    """How many files were left out for each reason, and the first of them; folders that were passed over."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}
        self.empty: list[str] = []  # class folders
        self.beside: list[str] = []  # folders beside train and test

    def add(self, reason: str, *parts: str) -> None:
        """Count a file; its path has these parts."""
        self._files.setdefault(reason, []).append(one_line("/".join(parts))[:MOST_LETTERS])

    def add_other_kind(self, *parts: str) -> None:
        """Count a file that is no image by the ending of its name."""
        ending = PurePosixPath(parts[-1]).suffix.lower()
        self.add(f"ending in {ending}" if ending else "without an ending", *parts)

    def notes(self) -> list[str]:
        """Return a sentence on the files, on empty class folders and on other folders, if there are any."""
        beside = [f"only train and test are read, not {listed(self.beside)}"] if self.beside else []
        return [*self._files_and_classes(), *beside]

    def said(self) -> str:
        """Return the first two notes, for use within an error."""
        notes = self._files_and_classes()
        return f" ({'; '.join(notes)})" if notes else ""

    def _files_and_classes(self) -> list[str]:
        notes = []
        if self._files:
            total = sum(map(len, self._files.values()))
            reasons = [f"{len(files):,} {reason} ({files[0]})" for reason, files in self._files.items()]
            notes.append(f"{total:,} {'file is' if total == 1 else 'files are'} left out: {listed(reasons)}")
        if self.empty:
            what = "class folder holds" if len(self.empty) == 1 else "class folders hold"
            notes.append(f"{len(self.empty):,} {what} no image: {listed(self.empty)}")
        return notes


def is_quiet(parts: tuple[str, ...]) -> bool:
    """Whether a part of the path is hidden, `..`, or a system's own."""
    return any(part.startswith(".") or part.lower() in QUIET for part in parts)
