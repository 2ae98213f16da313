"""`make torture`: every strategy is killed again and again, and ends as if nothing had happened.

Prints a table in Markdown: how often each was killed, in runs of as many seeds as that takes, and whether
records, states, calibration and the hash of the final weights are those of undisturbed runs. Avalanche's own
strategies have no checkpoints and begin again.
"""

import random
import sys
import tempfile
from itertools import count
from pathlib import Path

import torch
from killing import about, kill_until_done, outcome
from tqdm import tqdm

from cl_bench.choices import choices
from cl_bench.running.compose import compose
from cl_bench.running.job import execute

KILLS, SEED, LONGEST = 200, 0, 1.0
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
            left = (KILLS - killed_in_all) // (len(names) - number)
            killed, ends, resumed = 0, [], 0
            for seed in count():
                if killed >= left and seed:
                    break
                each = [*settings, f"seed={seed}"]
                (whole,) = execute(compose([*each, "study=whole"]), show_progress=False)
                config = compose([*each, "study=killed"])
                kills, status = kill_until_done(
                    [config], kills=left - killed, moments=moments, longest=LONGEST
                )
                killed += kills
                (found,) = execute(config, show_progress=False)
                ends.append(status == 0 and outcome(found) == outcome(whole))
                resumed += "resumed" in about(found)
            killed_in_all += killed
            same = f"{sum(ends)} of {len(ends)} equal" if all(ends) else "DIFFERENT"
            lines.append(f"| {name} | {len(ends)} | {killed} | {resumed} | {same} |")
    print(f"{killed_in_all} kills by SIGKILL, each at most {LONGEST} s after the start; seed {SEED}\n")
    print("| strategy | runs | kills | runs that ended from a checkpoint | end |\n|---|---|---|---|---|")
    print("\n".join(lines))
    return int(any("DIFFERENT" in line for line in lines))


if __name__ == "__main__":
    assert Path("conf").is_dir(), "run it in the repository"
    sys.exit(main())
