"""The command `cl-bench`. Every verb imports what it needs when it is called: --help answers at once."""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

from cl_bench.cli import VERBS
from cl_bench.config.choices import by_group, looking_in
from cl_bench.config.places import at_home
from cl_bench.records.text import never_fail

USAGE = """cl-bench: continual-learning benchmarks, and how much each method forgets

  cl-bench run [-m] [group=choice ...] [setting=value ...]   train and test; -m sweeps over a,b,c
  cl-bench tune strategy=... benchmark=... [...]             find settings by validation images alone
  cl-bench report DIR [--no-figures]                         tables, figures and a page of the runs below DIR
  cl-bench plot KIND DIR...                                  one kind of figure; several DIRs are compared
  cl-bench table DIR...                                      one LaTeX table over benchmarks, for a paper
  cl-bench metric [NAME DIR...]                              a metric of saved predictions, afterwards
  cl-bench cost RUN...                                       operations, bits, estimated energy of predictions
  cl-bench export RUN -o FILE                                a binary network in one small file, for NumPy
  cl-bench check NAME|package.module:Class                   ask whether a strategy, ours or yours, is right
  cl-bench verify RUN...                                     run it again: the same weights and records?
  cl-bench merge A B... -o C                                 results of several machines in one folder
  cl-bench clean DIR                                         remove failed and stale runs, after a yes
  cl-bench list [group [choice]]                             every choice; of one its settings and sources
  cl-bench new NAME --kind KIND [-o DIR]                     a package with a strategy of your own
  cl-bench features model=... checkpoint=... -o FILE         a data set of what a trained network makes of one
  cl-bench run --help                                        every setting with its default
  eval "$(cl-bench completion bash)"                         tab completion

Examples
  cl-bench run experiment=digits
  cl-bench run strategy=ewc benchmark=split_mnist seed=3 strategy.strength=50
  cl-bench run -m strategy=finetune,ewc,vcl,bayesbinn benchmark=permuted_mnist,split_mnist
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer a command line. The exit status is 0; 1 where something failed; 2 for a wrong command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    never_fail(sys.stdout, sys.stderr)
    if arguments[:2] == ["-sc", "query=bash"]:  # asked by Hydra's completion script
        from cl_bench.cli.completion import complete

        return complete(os.environ.get("COMP_LINE", ""))
    try:
        status = answer(*(arguments or ["--help"]))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # of a reader that has seen enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return 1


def answer(verb: str, *rest: str) -> int:
    """Answer one command line, of this verb; return the exit status."""
    if verb in ("-h", "--help", "help"):
        print(USAGE)
        print(overview())
        return 0
    if verb == "--version":
        from cl_bench.version import __version__

        print(__version__)
        return 0
    if verb not in VERBS:
        near = get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean {near[0]}?" if near else "see cl-bench --help"
        if "=" in verb or verb.startswith("-"):
            hint = f"did you mean `cl-bench run {verb} ...`?"
        print(f"cl-bench: there is no verb {verb!r}; {hint}", file=sys.stderr)
        return 2
    if verb not in ("run", "tune"):  # their settings may hold ~ too; see config/words.py
        try:
            rest = tuple(map(at_home, rest))
        except ValueError as error:
            print(f"cl-bench: {error}", file=sys.stderr)
            return 2
    module = import_module(f"cl_bench.cli.{verb}")
    with looking_in(()):  # a process may answer several command lines: each looks in its own folders
        return int(module.main(list(rest)))


def overview() -> str:
    """List the names of every group's choices, a line a group."""
    every = by_group()
    width = max(map(len, every))
    return "Choices\n" + "\n".join(
        f"  {group:<{width}} = {', '.join(names)}" for group, names in every.items()
    )
