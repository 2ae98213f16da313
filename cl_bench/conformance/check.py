"""What a check is, and what comes of it."""

import sysconfig
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cl_bench.conformance.subject import Subject

PASS, FAIL, NOT_APPLICABLE = "pass", "fail", "n/a"
HOME = Path(__file__).parents[1]  # cl_bench
# whose lines tell a strategy's author little
LIBRARIES = {"cl_bench", "torch", "avalanche", "numpy", "hydra", "omegaconf"}


class Failed(AssertionError):  # noqa: N818 (it is what was seen)
    """What was seen is not what was asked for."""


class NotApplicable(Exception):  # noqa: N818
    """A question does not arise, and why."""


class Check(NamedTuple):
    """A question to a strategy.

    `look` answers what was seen, in words. It raises `Failed` where that is wrong, and `NotApplicable` where
    the question does not arise. Any other error is a failure, too.
    """

    question: str
    cause: str  # of most failures
    look: Callable[["Subject"], str]
    rests_on: tuple["Check", ...] = ()  # where one of these fails, this one may fail because of it

    @property
    def name(self) -> str:
        return self.look.__name__


class Result(NamedTuple):
    """What came of a check."""

    check: Check
    outcome: str  # PASS, FAIL, NOT_APPLICABLE
    seen: str
    perhaps_by: tuple[Check, ...] = ()  # of a failure: what it rests on, and what failed before it

    @property
    def failed(self) -> bool:
        return self.outcome == FAIL

    @property
    def causes(self) -> list[str]:
        """List what a failure may follow from, and what usually causes it; empty for other outcomes."""
        before = [f"may be a consequence of: {each.question}" for each in self.perhaps_by]
        return [*before, f"usually: {self.check.cause}"] if self.failed else []

    def __str__(self) -> str:
        line = f"{self.outcome:<4}  {self.check.question}  {self.seen}"
        return "\n      ".join([line, *self.causes])


def check(
    question: str, *, cause: str, rests_on: tuple[Check, ...] = ()
) -> Callable[[Callable[["Subject"], str]], Check]:
    """Make a check of a function of a subject."""
    return lambda look: Check(question, cause, look, rests_on)


def result_of(check: Check, subject: "Subject", failed: Collection[Check] = ()) -> Result:
    """Ask a subject the question of a check.

    Args:
        failed: checks that this subject has failed so far.
    """
    result = _asked(check, subject)
    if result.outcome != FAIL:
        return result
    return result._replace(perhaps_by=tuple(each for each in check.rests_on if each in failed))


def _asked(check: Check, subject: "Subject") -> Result:
    try:
        return Result(check, PASS, check.look(subject))
    except NotApplicable as reason:
        return Result(check, NOT_APPLICABLE, str(reason))
    except Failed as seen:
        return Result(check, FAIL, str(seen))
    except Exception as error:  # whatever a strategy may raise
        return Result(check, FAIL, f"{type(error).__name__}: {' '.join(str(error).split())}{place_of(error)}")


def place_of(error: Exception) -> str:
    """Return the last line of a strategy's own code that led to the error; nothing where all is ours."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
    return f" (at {Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _is_theirs(filename: str) -> bool:
    path = Path(filename)
    if "site-packages" in path.parts:
        return path.parts[path.parts.index("site-packages") + 1] not in LIBRARIES
    of_python = path.is_relative_to(sysconfig.get_paths()["stdlib"])
    return path.is_file() and not of_python and not path.is_relative_to(HOME)


def demand(truth: bool, seen: str) -> None:
    """Fail with what was seen unless it is true."""
    if not truth:
        raise Failed(seen)


def applies(truth: bool, reason: str) -> None:
    """Continue only where the question arises."""
    if not truth:
        raise NotApplicable(reason)
