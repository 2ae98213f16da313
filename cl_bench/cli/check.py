"""`cl-bench check`: the checks of the kit, a line each."""

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cl_bench.conformance.check import Check, Result

USAGE = """usage: cl-bench check NAME|module:Class [--only QUESTION] [--config-dir DIR] [setting=value ...]
       cl-bench check --list

Ask a strategy questions, on the embedded digits and in less than a minute. Do weights move in every task, and
do frozen ones stay? Does the seed decide all? Does testing change nothing? Is the gradient right, and is the
posterior the next prior? Does it look at future tasks, test images or hidden task labels? --list has all.

NAME is a choice of conf/strategy, of an installed package, or of DIR. A class without a YAML needs settings:
  cl-bench check ewc
  cl-bench check ewc strategy.mode=online
  cl-bench check my.module:Mine strategy.strength=3 model.weights=real
An Avalanche class works, too. It claims nothing of itself, so that fewer questions apply:
  cl-bench check avalanche.training:EWC strategy.settings.ewc_lambda=100

Each question is a line: pass, fail or n/a, CPU seconds, its name, what was seen. The exit status is 1 where
one fails. --list prints all names and questions. --only asks one again, or all whose names hold a word; it
can be given several times. `cl_bench.testing.StrategyContract` asks the same in pytest.
`cl_bench.testing.Claims` is what a strategy can say of itself.
"""


class Request(NamedTuple):
    """A command line of `cl-bench check`, taken apart."""

    name: str
    only: list[str]
    folders: list[str]
    settings: list[str]


def main(arguments: Sequence[str]) -> int:
    """Run the checks. The exit status is 0; 1 where a check fails; 2 for a wrong command line."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    listing = list(arguments) == ["--list"]
    request = parsed(arguments)
    if not listing and (not request.name or any("=" not in each for each in request.settings)):
        print(USAGE, file=sys.stderr)
        return 2
    from cl_bench.deferred import deferred
    from cl_bench.runner.assembly import NOISE

    warnings.filterwarnings("ignore", message=NOISE)
    import torch

    torch.set_num_threads(1)  # networks this small are slower with more
    with deferred():
        from cl_bench.conformance.catalogue import CHECKS

    if listing:
        print("\n".join(f"{each.name}\n    {each.question}" for each in CHECKS))
        return 0
    try:
        checks = chosen(CHECKS, request.only)
    except ValueError as error:
        print(f"cl-bench: {error}", file=sys.stderr)
        return 2
    return _ask(request, checks)


def _ask(request: Request, checks: "Sequence[Check]") -> int:
    from cl_bench.conformance.avalanche import known
    from cl_bench.conformance.catalogue import examine
    from cl_bench.conformance.check import FAIL, PASS
    from cl_bench.conformance.subject import Subject
    from cl_bench.records.text import one_line

    subject = Subject(request.name, request.settings, config_dirs=request.folders, **known(request.name))
    try:
        subject.check_there()
    except ValueError as error:
        print(f"cl-bench: {one_line(error)}", file=sys.stderr)
        return 2
    width = max(len(check.name) for check in checks)
    counts: dict[str, int] = {}
    for result, seconds in timed(examine(subject, checks)):
        print(shown(result, seconds, width=width), flush=True)
        counts[result.outcome] = counts.get(result.outcome, 0) + 1
    failed = counts.get(FAIL, 0)
    others = sum(counts.values()) - failed - counts.get(PASS, 0)
    print(f"\n{request.name}: {counts.get(PASS, 0)} passed, {failed} failed, {others} do not apply")
    return 1 if failed else 0


def chosen(checks: "Sequence[Check]", only: Sequence[str]) -> "list[Check]":
    """Return the checks of these names, or whose names hold these words, in their order; all without words.

    Raises:
        ValueError: for a word that is in no name.
    """
    from difflib import get_close_matches

    names = [check.name for check in checks]
    for word in only:
        if not any(word in name for name in names):
            near = get_close_matches(word, names, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(
                f"--only must be in the name of a question, got {word!r}{hint} (--list has them)"
            )
    return [check for check in checks if not only or any(_means(word, check.name, names) for word in only)]


def _means(word: str, name: str, names: Sequence[str]) -> bool:
    """Whether a word names this question: a whole name is that one alone."""
    return word == name if word in names else word in name


def timed(results: "Iterator[Result]") -> "Iterator[tuple[Result, float]]":
    """Yield each result with its CPU seconds, those of child processes too."""
    since = cpu_seconds()
    for result in results:
        now = cpu_seconds()
        yield result, now - since
        since = cpu_seconds()


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


def shown(result: "Result", seconds: float, *, width: int) -> str:
    """Format a result; of a failure also what was asked, what may have caused it, and how to ask again."""
    line = f"{result.outcome:<4} {seconds:5.1f} s  {result.check.name:<{width}}  {result.seen}"
    if not result.failed:
        return line
    asked, again = f"asked: {result.check.question}", f"again: --only {result.check.name}"
    return "\n      ".join([line, asked, *result.causes, again])


def parsed(arguments: Sequence[str]) -> Request:
    """Read the name, the questions of --only, the folders of --config-dir, and the settings."""
    request = Request("", [], [], [])
    lists = {"--only": request.only, "--config-dir": request.folders, "-cd": request.folders}
    left = list(arguments)
    while left:
        word = left.pop(0)
        option, equals, value = word.partition("=")
        if word in lists and left:
            lists[word].append(left.pop(0))
        elif option in ("--only", "--config-dir") and equals:
            lists[option].append(value)
        elif not request.name and "=" not in word and not word.startswith("-"):
            request = request._replace(name=word)
        else:
            request.settings.append(word)
    return request
