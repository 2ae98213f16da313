"""`cl-bench verify RUN...`: run finished runs again, and say whether they come out the same."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.cli.options import with_options
from cl_bench.records.text import one_line

if TYPE_CHECKING:
    from cl_bench.runner.verify import Verified

ABOUT = """Run finished runs again, each from its config.yaml in a temporary folder, and compare the final
weights and all records, bit for bit, without the seconds. Where something differs, versions and hardware that
do so too are named. The exit status is 0 where all agrees."""
UNCHANGED = "versions and hardware are those of the first time: the results or the code were changed"


def main(arguments: Sequence[str]) -> int:
    """Verify each run; the exit status is 0 where all agree."""
    parser = ArgumentParser(prog="cl-bench verify", description=ABOUT)
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", type=Path, help="a run: its folder, or STUDY/RUN in a compact study"
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run classes too that neither conf/ nor an installed package names: a configuration says what "
        "is run, so read a stranger's first",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="write the date and the commit into run.json, or into the compact study, where all agrees",
    )
    return with_options(parser, arguments, _verify)


def _verify(options: Namespace) -> int:
    from cl_bench.runner.verify import record, verify

    agree = True
    for run in options.runs:
        verified = verify(run, trust=options.trust)
        print(table(run, verified))
        if options.record and verified.agrees:
            record(run, verified)
        agree &= verified.agrees
    return 0 if agree else 1


def table(run: Path, verified: "Verified") -> str:
    """Format what agrees and what does not; where something does not, tell what has changed."""
    width = max(len(each.what) for each in verified.compared)
    lines = [one_line(f"{run}, run again:"), ""]
    lines += [
        f"  {each.what:<{width}}  {'agrees' if each.agrees else 'DIFFERS'}  {one_line(each.detail)}"
        for each in verified.compared
    ]
    if verified.agrees:
        return "\n".join([*lines, "", "The same, bit for bit."])
    why = verified.changed or [UNCHANGED]
    heading = "Then (in the results) and now (run again):"
    return "\n".join([*lines, "", heading, *(f"  {each}" for each in why)])
