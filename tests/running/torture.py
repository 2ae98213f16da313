"""`make torture`: every strategy is killed again and again, and ends as if nothing had happened.

Prints a table in Markdown: how often each was killed, and whether records, states, calibration and the hash
of the final weights are those of an undisturbed run.
"""

import random
import sys
import tempfile
from pathlib import Path

import torch
from killing import about, kill_until_done, outcome
from tqdm import tqdm

from cl_bench.choices import choices
from cl_bench.running.compose import compose
from cl_bench.running.job import execute

KILLS, SEED, LONGEST = 200, 0, 1.5
SMALL = ("benchmark=split_digits", "benchmark.num_tasks=3", "training.epochs=15", "model.hidden=[12]")
MEMORY = {"memory_size": 50, "buffer_batch_size": 8, "num_test_samples": 2}


def main() -> int:
    """The exit status: 0 where all are equal."""
    torch.set_num_threads(1)
    names, moments = list(choices("strategy")), random.Random(SEED)
    lines, killed_in_all = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(tqdm(names, disable=None)):
            settings = [*SMALL, f"strategy={name}", f"results_dir={folder}", "training.checkpoint_minutes=0"]
            if name == "avalanche":
                settings.append("strategy.path=avalanche.training.EWC")
                settings.append("+strategy.settings.ewc_lambda=1")
            known = compose(settings).strategy
            settings += [f"strategy.{key}={value}" for key, value in MEMORY.items() if key in known]
            (whole,) = execute(compose([*settings, "study=whole"]), show_progress=False)
            config = compose([*settings, "study=killed"])
            left = (KILLS - killed_in_all) // (len(names) - number)
            killed, status = kill_until_done([config], kills=left, moments=moments, longest=LONGEST)
            killed_in_all += killed
            (found,) = execute(config, show_progress=False)
            same = status == 0 and outcome(found) == outcome(whole)
            resumed = about(found).get("resumed", "from the start")
            lines.append(f"| {name} | {killed} | {resumed} | {'equal' if same else 'DIFFERENT'} |")
    print(f"{killed_in_all} kills by SIGKILL, each at most {LONGEST} s after the start; seed {SEED}\n")
    print("| strategy | kills | the last process went on | end |\n|---|---|---|---|")
    print("\n".join(lines))
    return int(any("DIFFERENT" in line for line in lines))


if __name__ == "__main__":
    assert Path("conf").is_dir(), "run it in the repository"
    sys.exit(main())
