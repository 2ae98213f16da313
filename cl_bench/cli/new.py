"""The command line of `cl-bench new`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cl_bench.cli.package import KINDS, write
from cl_bench.records.text import reason

WRITTEN = {
    "{name}/strategy.py": "the method: a class",
    "{name}/conf/strategy/{name}.yaml": "its settings; strategy={name} finds them",
    "{name}/conf/search/{name}.yaml": "what cl-bench tune tries",
    "tests/": "what every strategy must hold, and what is this one's own",
}
WHAT_NOW = """
Nothing of this needs a network: cl_bench brought setuptools and pytest.
  pip install --no-build-isolation -e {folder}
  cl-bench check {name}
  cl-bench run strategy={name} benchmark=permuted_digits
  python -m pytest {folder}"""


def main(arguments: Sequence[str]) -> int:
    """Write a new package. The exit status is 0; 1 where that fails; 2 for a wrong command line."""
    parser = argparse.ArgumentParser(
        prog="cl-bench new",
        description="Write a small package with a strategy of your own: class, YAML, test, ready to install.",
    )
    parser.add_argument("name", help="of the package and of the strategy, such as my_method")
    parser.add_argument("--kind", choices=KINDS, required=True, help="the worked example that it starts from")
    parser.add_argument(
        "-o", dest="into", metavar="DIR", type=Path, default=Path(), help="where (default: .)"
    )
    try:
        given = parser.parse_args(arguments)
    except SystemExit as left:
        return int(left.code or 0)
    try:
        folder = write(given.name, kind=given.kind, into=given.into)
    except (ValueError, OSError) as error:
        print(f"cl-bench: {reason(error)}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    print(folder, *_written(given.name), WHAT_NOW.format(folder=folder, name=given.name), sep="\n")
    return 0


def _written(name: str) -> list[str]:
    """Return a line for each part of the package."""
    rows = [(path.format(name=name), what.format(name=name)) for path, what in WRITTEN.items()]
    width = max(len(path) for path, _ in rows)
    return [f"  {path:<{width}}  {what}" for path, what in rows]
