"""The command `cl-bench`. Every verb imports what it needs when it is called: --help answers at once."""

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path

from cl_bench.choices import GROUPS, all_groups, choices
from cl_bench.places import at_home, conf_folder, shell_word
from cl_bench.provenance import STALE
from cl_bench.text import lines_of, never_fail, one_line

USAGE = """cl-bench: continual-learning benchmarks, and how much each method forgets

  cl-bench run [-m] [group=choice ...] [setting=value ...]   train and test; -m sweeps over a,b,c
  cl-bench tune strategy=... benchmark=... [...]             finds settings by validation images alone
  cl-bench report DIR [--no-figures]                         tables, figures and a page of the runs below DIR
  cl-bench plot KIND DIR...                                  one kind of figure; several DIRs are compared
  cl-bench check NAME|package.module:Class                   asks a strategy, ours or yours, if it is right
  cl-bench verify RUN...                                     runs it again: the same weights and records?
  cl-bench merge A B... -o C                                 results of several machines in one folder
  cl-bench clean DIR                                         removes failed and stale runs, after a yes
  cl-bench list [group [choice]]                             every choice; of one its settings and sources
  cl-bench new NAME --kind KIND [-o DIR]                     a package with a strategy of your own
  cl-bench run --help                                        every setting with its default
  eval "$(cl-bench completion bash)"                         tab completion

Examples
  cl-bench run experiment=digits
  cl-bench run strategy=ewc benchmark=split_mnist seed=3 strategy.strength=50
  cl-bench run -m strategy=finetune,ewc,vcl,bayesbinn benchmark=permuted_mnist,split_mnist
"""

TUNE_USAGE = """cl-bench tune: find settings without a look at what is reported

  cl-bench tune strategy=a,b benchmark=... [setting=value ...] [setting=x,y,z ...] [tune.trials=...]

For each strategy and benchmark it tries settings on streams of its own, which share no permutation and no
class order with the reported ones, scores them by validation images alone (test images are not read), and
writes the best with the whole search to <results_dir>/tuning/<benchmark>/<strategy>.yaml. A run takes it up:

  cl-bench run --config-dir <results_dir> strategy=... benchmark=...

What is searched stands in conf/search/<strategy>.yaml. A setting with several values on the command line is
searched in its place or besides; one with a single value is fixed. The syntax is that of Hydra's sweeps:
  1,10,100   range(1,5)   interval(0,1)   tag(log,interval(1e-4,1e-1))   int(interval(1,9))
hydra/launcher=local runs trials in parallel processes. The same command again does only what is left.

"""

VERIFY = """Run finished runs again, each from its config.yaml in a temporary folder, and compare the final
weights and all records, bit for bit; seconds are exempt. Where something differs, versions and hardware that
do too are named. The exit status is 0 where all agrees."""

MERGE = """Copy the runs below the folders into one results folder. A finished run beats an unfinished one. A
run that is finished in two places must have the same records and final weights, or is named and left out.
What is finished there already is never replaced, nor what is broken: another is laid beside it. The exit
status is 0 where all was merged."""


CLEAN = """List the runs below the folder that have failed, and stale ones: of other code or data than those
now, or than the newest runs of their method. After a yes they are removed. Interrupted runs stay: the same
command goes on with them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0; 1 where something failed; 2 for a wrong command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    never_fail(sys.stdout, sys.stderr)
    if arguments[:2] == ["-sc", "query=bash"]:  # asked by Hydra's completion script
        return complete(os.environ.get("COMP_LINE", ""))
    try:
        status = answer(*(arguments or ["--help"]))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # of a reader that has seen enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return 1


def answer(verb: str, *rest: str) -> int:
    """What `main` does for one command line."""
    if verb in ("-h", "--help", "help"):
        print(USAGE)
        print(overview())
        return 0
    if verb == "--version":
        from cl_bench import __version__

        print(__version__)
        return 0
    if verb not in VERBS:
        near = get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean {near[0]}?" if near else "see cl-bench --help"
        if "=" in verb or verb.startswith("-"):
            hint = f"did you mean `cl-bench run {verb} ...`?"
        print(f"cl-bench: there is no verb {verb!r}; {hint}", file=sys.stderr)
        return 2
    if verb not in ("run", "tune"):  # their settings may hold ~ too; see running/words.py
        try:
            rest = tuple(map(at_home, rest))
        except ValueError as error:
            print(f"cl-bench: {error}", file=sys.stderr)
            return 2
    return VERBS[verb](list(rest))


def run(arguments: list[str]) -> int:
    from cl_bench.running.main import main as run_main

    since = time.time()
    status, folder = run_main(arguments)
    failed_alone = (
        status != 0 and folder is not None and (folder / "run.json").exists()
    )  # its error says it all
    if folder is not None and folder.is_dir() and not failed_alone:
        said, complete = overall(folder, since=since)
        print(said)
        return status or int(not complete)
    return status


def tune(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(TUNE_USAGE + (conf_folder() / "tune.yaml").read_text())
        return 0 if arguments else 2
    from cl_bench.tuning.main import main as tune_main

    return tune_main(arguments)


def overall(folder: Path, *, since: float) -> tuple[str, bool]:
    """The table of the runs in `folder`, how each ended, and where to go on from here; and whether all that
    was asked for at a time is there, of the present code and data.
    """
    from cl_bench.analysis import summary
    from cl_bench.analysis.errors import AnalysisError
    from cl_bench.analysis.folders import find_folders
    from cl_bench.analysis.planned import missing
    from cl_bench.analysis.results import Results
    from cl_bench.analysis.tables import text_table
    from cl_bench.notes import recorded_notes, repeated_notes
    from cl_bench.outcomes import outcome_table, provenance_notes, touched, work_done

    try:
        find_folders(folder)
    except AnalysisError:  # nothing began: the error on the way there says it all
        return "", False
    results = Results.read(folder)
    found = results.found
    asked = touched(found, since)
    lines = [] if results.frame.empty else [text_table(summary(results.frame))]
    alone = (folder / "run.json").exists()  # a single run has said its own notes
    notes = [*repeated_notes(found), *provenance_notes(found), *([] if alone else recorded_notes(found))]
    lines += [f"note: {one_line(note)}" for note in notes]
    lines += filter(None, [work_done(asked, since)])
    absent = [] if alone else missing(found)
    lines += [
        outcome_table(found, absent),
        "",
        f"records: {one_line(folder)}",
        f"figures: cl-bench report {shell_word(str(folder))}",
    ]
    return "\n".join(lines), not absent and not any(run.about.get(STALE) for run in asked)


def report(arguments: list[str]) -> int:
    from cl_bench.report import main as report_main

    return report_main(arguments)


def plot(arguments: list[str]) -> int:
    from cl_bench.plot import main as plot_main

    return plot_main(arguments)


def new(arguments: list[str]) -> int:
    from cl_bench.new.command import main as new_main

    return new_main(arguments)


def check(arguments: list[str]) -> int:
    from cl_bench.testing.main import main as check_main

    return check_main(arguments)


def verify(arguments: list[str]) -> int:
    parser = ArgumentParser(prog="cl-bench verify", description=VERIFY)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="the folder of a run")
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run classes too that neither conf/ nor an installed package names: a configuration says what "
        "is run, so read a stranger's first",
    )

    def work(options: Namespace) -> int:
        from cl_bench.running.verify import main as verify_main

        return verify_main(options.runs, trust=options.trust)

    return _with_options(parser, arguments, work)


def merge(arguments: list[str]) -> int:
    parser = ArgumentParser(prog="cl-bench merge", description=MERGE)
    parser.add_argument("sources", metavar="DIR", nargs="+", help="a results folder, a study or a run")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="a results folder, new or not")

    def work(options: Namespace) -> int:
        from cl_bench.merge import main as merge_main

        return merge_main(options.sources, into=options.output)

    return _with_options(parser, arguments, work)


def clean(arguments: list[str]) -> int:
    parser = ArgumentParser(prog="cl-bench clean", description=CLEAN)
    parser.add_argument("folder", metavar="DIR", help="a results folder, a study or a run")
    parser.add_argument("--yes", action="store_true", help="remove without asking")

    def work(options: Namespace) -> int:
        from cl_bench.clean import main as clean_main

        return clean_main(options.folder, yes=options.yes)

    return _with_options(parser, arguments, work)


def _with_options(parser: ArgumentParser, arguments: list[str], work: Callable[[Namespace], int]) -> int:
    """The exit status of the work; 2 for a wrong command line, 1 and one line where something went wrong."""
    try:
        options = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        return work(options)
    except (ValueError, ArithmeticError, OSError, RuntimeError) as error:
        print(f"cl-bench: {lines_of(error)}", file=sys.stderr)
        return 1


def list_choices(arguments: list[str]) -> int:
    from cl_bench.listing import main as list_main

    return list_main(arguments)


def completion(arguments: list[str]) -> int:
    if arguments != ["bash"]:
        print('usage: eval "$(cl-bench completion bash)"')
        return 0 if arguments in (["-h"], ["--help"]) else 2
    from cl_bench.running.main import main as run_main

    return run_main(["-sc", "install=bash"])[0]


def complete(line: str) -> int:
    """Print what may stand next on the command line `line`, for the shell."""
    words = line.split()
    typing_verb = len(words) < 2 or (len(words) == 2 and not line.endswith(" "))
    if typing_verb:
        print(" ".join(VERBS))
    elif words[1] == "run":
        from cl_bench.running.main import main as run_main

        os.environ["COMP_LINE"] = line.replace(" run", "", 1)
        return run_main(["-sc", "query=bash"])[0]
    elif words[1] == "list":
        group = words[2] if len(words) > 2 and choices(words[2]) else ""
        print(" ".join(choices(group) if group else all_groups()))
    elif words[1] == "check":
        print(" ".join(choices("strategy")))
    elif words[1] == "plot":
        from cl_bench.kinds import KINDS

        print(" ".join(KINDS))
    return 0


def overview() -> str:
    """The names of every group's choices, a line a group."""
    found = {group: choices(group) for group in GROUPS if choices(group)}
    width = max(len(group) for group in found)
    return "Choices\n" + "\n".join(
        f"  {group:<{width}} = {', '.join(names)}" for group, names in found.items()
    )


VERBS = {
    "run": run,
    "tune": tune,
    "report": report,
    "plot": plot,
    "check": check,
    "verify": verify,
    "merge": merge,
    "clean": clean,
    "list": list_choices,
    "new": new,
    "completion": completion,
}
