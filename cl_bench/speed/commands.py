"""Commands as a user types them: each in a process of its own, with its imports."""

import json
import tempfile
from functools import partial
from pathlib import Path

from cl_bench.records import HEADER, Record
from cl_bench.running.compose import compose, flatten, plain
from cl_bench.speed.bench import Bench, Measurement, cl_bench_command

BENCHMARKS = ("permuted_mnist", "split_mnist")
METHODS = ("finetune", "ewc", "vcl", "bayesbinn", "joint")


def commands(bench: Bench) -> dict[str, Measurement]:
    """What answers without training: seconds beside one second."""
    scale = bench.scale
    num_runs = write_runs(bench.folder, num_seeds=scale.report_seeds, num_tasks=scale.report_tasks)
    seconds = bench.alternate(
        {
            "help": partial(cl_bench_command, "--help"),
            "report": partial(cl_bench_command, "report", str(bench.folder)),
        }
    )
    note = f"{num_runs:,} runs of {scale.report_tasks} tasks on {len(BENCHMARKS)} benchmarks"
    return {"help": beside_a_second(seconds["help"]), "report": beside_a_second(seconds["report"], note)}


def beside_a_second(seconds: list[float], note: str = "") -> Measurement:
    return Measurement(seconds, [1.0] * len(seconds), note=note)


def write_runs(folder: Path, *, num_seeds: int, num_tasks: int) -> int:
    """Run folders as runs leave them, with made-up accuracies; returns how many."""
    settings = flatten(plain(compose()))
    written = 0
    for benchmark in BENCHMARKS:
        for method in METHODS:
            for seed in range(num_seeds):
                run = folder / "study" / f"{benchmark}-{method}-s{seed}-0123abcd"
                run.mkdir(parents=True)
                about = {
                    "study": "study",
                    "benchmark": benchmark,
                    "strategy": method,
                    "seed": seed,
                    "hash": "0123abcd",
                    "status": "finished",
                    "error": None,
                    "scenario": "domain",
                    "num_tasks": num_tasks,
                    "settings": settings | {"seed": seed},
                    "wall_seconds": 1.0,
                    "cpu_seconds": 1.0,
                }
                (run / "run.json").write_text(json.dumps(about, indent=1))
                (run / "records.csv").write_text(_records(seed, num_tasks))
                written += 1
    return written


def _records(seed: int, num_tasks: int) -> str:
    """Chance before a task is learned, then slowly forgotten."""
    lines = [HEADER]
    for after in range(num_tasks + 1):
        for on in range(1, num_tasks + 1):
            accuracy = 0.1 if after < on else 0.95 - 0.02 * (after - on) - 0.001 * (seed % 7)
            lines.append(",".join(map(repr, Record(seed, after, on, accuracy, 0.5, 10_000))))
    return "\n".join([*lines, ""])


def _sweep(bench: Bench, *overrides: str) -> None:
    results = tempfile.mkdtemp(dir=bench.folder)  # what is finished there would not be run again
    device = f"training.device={bench.device}"
    cl_bench_command("run", "-m", *overrides, device, f"results_dir={results}")


def sweep(bench: Bench) -> dict[str, Measurement]:
    """A sweep of short runs in parallel workers beside the same sweep one by one."""
    seconds = bench._replace(rounds=1).alternate(
        {
            launcher: partial(_sweep, bench, *bench.scale.sweep, f"hydra/launcher={launcher}")
            for launcher in ("basic", "local")
        },
        warm_up=False,
    )
    return {"sweep": Measurement(seconds["local"], seconds["basic"], note="measured once")}


def headline(bench: Bench) -> dict[str, Measurement]:
    """A whole study on one GPU, five seeds at once, from the command line to the last record."""
    overrides = [*bench.scale.mnist, *bench.scale.headline]
    seconds = bench._replace(rounds=1).alternate({"study": partial(_sweep, bench, *overrides)}, warm_up=False)
    return {"headline": beside_a_second(seconds["study"], "measured once")}
