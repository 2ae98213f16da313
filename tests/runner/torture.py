"""`make torture`: runs are killed at every call that changes the disk, and every strategy at random moments.

Prints two tables in Markdown: whether records, states, calibration, the hash of the final weights and the
files left behind are those of undisturbed runs. `python tests/runner/torture.py crashes` or `kills` prints
one of them. Avalanche's own strategies have no checkpoints and begin again.
"""

import random
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import torch
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does

from runner.crash_cases import alone, cases
from runner.crashing import problem_after, undisturbed
from runner.killing import about, kill_until_done, outcome

from cl_bench.config.choices import choices
from cl_bench.config.compose import compose
from cl_bench.runner.run import execute

KILLS, SEED, LONGEST = 200, 0, 1.0
SMALL = ("benchmark=split_digits", "benchmark.num_tasks=3", "training.epochs=15", "model.hidden=[12]")
MEMORY = {"memory_size": 50, "buffer_batch_size": 8, "num_test_samples": 2}
SHOWN = 5  # differences


def main(*parts: str) -> int:
    """The exit status: 0 where all are equal."""
    torch.set_num_threads(1)
    print("# Torture\n")
    return max([{"crashes": crashes, "kills": kills}[part]() for part in parts or ("crashes", "kills")])


def crashes() -> int:
    """Kill a command at each of its calls, look with a report's eyes, and give it again."""
    print("## Every call that changes the disk\n")
    lines, calls, wrong, began = [], Counter[str](), [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        # imports what the children then have
        execute(alone(Path(folder, "first")).config, show_progress=False)
        for what, make in cases(Path(folder)).items():
            case = make()
            stops, whole = undisturbed(case)
            calls += Counter(map(str, stops))
            bar = tqdm(range(len(stops)), desc=what, disable=None)
            found = {n: problem_after(case, stop_at=n, whole=whole) for n in bar}
            different = [f"{what}, call {n} ({stops[n]}): {why}" for n, why in found.items() if why]
            wrong += different
            same = f"{len(stops) - len(different)} of {len(stops)} equal"
            lines.append(f"| {what} | {len(stops)} | {same if not different else f'DIFFERENT: {same}'} |")
            print(lines[-1], file=sys.stderr, flush=True)
    minutes = (time.monotonic() - began) / 60
    print(
        "Each command is killed by SIGKILL before one of its calls, and in the midst of each write; the same "
        "command is given again. Records, states, calibration, probes, weights and the files left behind are "
        f"then compared with those of the undisturbed command. {_day()}, {minutes:.0f} minutes.\n"
    )
    print("| command (`strategy=ewc`, 2 tasks) | stops | end |\n|---|---|---|")
    print("\n".join(lines))
    print(f"\nCalls: {', '.join(f'{name} {number}' for name, number in calls.most_common())}\n")
    print("\n".join(f"- {each}" for each in wrong[:SHOWN]))
    return int(bool(wrong))


def kills() -> int:
    """Kill every strategy at random moments."""
    print("## Every strategy, at random moments\n")
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
    print(
        f"{killed_in_all} kills by SIGKILL, each at most {LONGEST} s after the start; seed {SEED}. "
        f"{_day()}.\n"
    )
    print("| strategy | runs | kills | runs that ended from a checkpoint | end |\n|---|---|---|---|---|")
    print("\n".join(lines))
    return int(any("DIFFERENT" in line for line in lines))


def _day() -> str:
    return f"Measured on {datetime.now(UTC):%Y-%m-%d}"


if __name__ == "__main__":
    assert Path("conf").is_dir(), "run it in the repository"
    sys.exit(main(*sys.argv[1:]))
