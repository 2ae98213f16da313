"""`cl-bench completion bash`: tab completion."""

import os
from collections.abc import Sequence

from cl_bench.cli import VERBS
from cl_bench.config.choices import all_groups, choices


def main(arguments: Sequence[str]) -> int:
    if list(arguments) != ["bash"]:
        print('usage: eval "$(cl-bench completion bash)"')
        return 0 if list(arguments) in (["-h"], ["--help"]) else 2
    from cl_bench.cli.run import hydra_run

    return hydra_run(["-sc", "install=bash"])[0]


def complete(line: str) -> int:
    """Print what may stand next on the command line `line`, for the shell."""
    words = line.split()
    typing_verb = len(words) < 2 or (len(words) == 2 and not line.endswith(" "))
    if typing_verb:
        print(" ".join(VERBS))
    elif words[1] == "run":
        from cl_bench.cli.run import hydra_run

        os.environ["COMP_LINE"] = line.replace(" run", "", 1)
        return hydra_run(["-sc", "query=bash"])[0]
    elif words[1] == "list":
        group = words[2] if len(words) > 2 and choices(words[2]) else ""
        print(" ".join(choices(group) if group else all_groups()))
    elif words[1] == "check":
        print(" ".join(choices("strategy")))
    elif words[1] == "metric":
        from cl_bench.cli.metric import names

        print(" ".join(names()))
    elif words[1] == "plot":
        from cl_bench.report.figure_kinds import KINDS

        print(" ".join(KINDS))
    return 0
