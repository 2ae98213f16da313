"""`cl-bench check`: the checks of the kit, a line each."""

import sys
import warnings
from collections.abc import Sequence

USAGE = """usage: cl-bench check NAME|package.module:Class [--config-dir DIR] [setting=value ...]

Asks a strategy, on the embedded digits and in less than a minute: do weights move in every task, and frozen
ones stay, does the seed decide all, does testing change nothing, is it fine-tuning when it is switched off,
is its gradient the right one, is its posterior the next prior, does it look at future tasks, test images or
hidden task labels, does its memory grow, ...?

NAME is a choice of conf/strategy, of an installed package, or of DIR. A class without a YAML needs settings:
  cl-bench check ewc
  cl-bench check ewc strategy.mode=online
  cl-bench check my.module:Mine strategy.strength=3 model.weights=real
An Avalanche class works, too; it says nothing of itself, so that fewer questions apply:
  cl-bench check avalanche.training:EWC strategy.settings.ewc_lambda=100

A line a check: pass, fail or n/a, what was asked, what was seen; the exit status is 1 where a check fails.
`cl_bench.testing.StrategyContract` is the same for pytest, `cl_bench.testing.Claims` what a strategy can say
of itself.
"""


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0; 1 where a check fails; 2 for a wrong command line."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    name, folders, settings = _parsed(arguments)
    if not name or any("=" not in setting for setting in settings):
        print(USAGE, file=sys.stderr)
        return 2
    from cl_bench.running.assembly import NOISE

    warnings.filterwarnings("ignore", message=NOISE)
    import torch

    torch.set_num_threads(1)  # networks this small are slower with more
    from cl_bench.testing.avalanche import known
    from cl_bench.testing.catalogue import examine
    from cl_bench.testing.check import FAIL, PASS
    from cl_bench.testing.subject import Subject

    counts: dict[str, int] = {}
    for result in examine(Subject(name, settings, config_dirs=folders, **known(name))):
        print(result, flush=True)
        counts[result.outcome] = counts.get(result.outcome, 0) + 1
    failed = counts.get(FAIL, 0)
    others = sum(counts.values()) - failed - counts.get(PASS, 0)
    print(f"\n{name}: {counts.get(PASS, 0)} passed, {failed} failed, {others} do not apply")
    return 1 if failed else 0


def _parsed(arguments: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """The name, the folders of --config-dir, the settings."""
    left, folders, settings, name = list(arguments), [], [], ""
    while left:
        word = left.pop(0)
        if word in ("--config-dir", "-cd") and left:
            folders.append(left.pop(0))
        elif word.startswith("--config-dir="):
            folders.append(word.partition("=")[2])
        elif not name and "=" not in word and not word.startswith("-"):
            name = word
        else:
            settings.append(word)
    return name, folders, settings
