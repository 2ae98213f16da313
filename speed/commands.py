"""Commands as a user types them: each in a process of its own, with its imports."""

import os
import tempfile
from functools import partial

from cl_bench.config.compose import compose, plain
from cl_bench.records.identity import flatten
from speed.bench import Bench, Measurement, cl_bench_command
from speed.clock import alternate
from speed.made_up import BENCHMARKS, MORE_BENCHMARKS, MORE_METHODS, write_measured_runs, write_runs


def commands(bench: Bench) -> dict[str, Measurement]:
    """Time the commands that answer without training, in seconds, beside one second."""
    scale = bench.scale
    many, drawn = bench.folder / "many", bench.folder / "drawn"
    settings, num_tasks = flatten(plain(compose())), scale.report_tasks
    num_runs = write_runs(many, num_seeds=scale.report_seeds, num_tasks=num_tasks, settings=settings)
    num_drawn = write_measured_runs(drawn, num_seeds=2, num_tasks=num_tasks, settings=settings)
    seconds = bench.alternate(
        {
            "help": partial(cl_bench_command, "--help"),
            "report": partial(cl_bench_command, "report", str(many)),
        }
    )
    seconds |= alternate(
        {
            "report_tables": partial(cl_bench_command, "report", "--no-figures", str(many)),
            "report_figures": partial(cl_bench_command, "report", str(drawn)),
        },
        rounds=bench.rounds,
        warm_up=bench.scale.warm_up,
        now=_cpu_seconds,
    )
    about = f"{num_runs:,} runs of {num_tasks} tasks on {len(BENCHMARKS)} benchmarks"
    figures = (
        f"{num_drawn:,} runs of {len(MORE_METHODS)} methods on {len(MORE_BENCHMARKS)} benchmarks, with files "
        "for every kind of figure"
    )
    notes = {"help": "", "report": about, "report_tables": about, "report_figures": figures}
    return {name: beside_a_second(seconds[name], note) for name, note in notes.items()}


def _cpu_seconds() -> float:
    """Return the CPU-seconds of all commands so far, on however many cores they ran."""
    spent = os.times()
    return spent.children_user + spent.children_system


def beside_a_second(seconds: list[float], note: str = "") -> Measurement:
    return Measurement(seconds, [1.0] * len(seconds), note=note)


def _sweep(bench: Bench, *overrides: str) -> None:
    results = tempfile.mkdtemp(dir=bench.folder)  # what is finished there would not be run again
    device = f"training.device={bench.device}"
    cl_bench_command("run", "-m", *overrides, device, f"results_dir={results}")


def sweep(bench: Bench) -> dict[str, Measurement]:
    """Time a sweep of short runs in parallel workers beside the same sweep one by one."""
    seconds = bench._replace(rounds=1).alternate(
        {
            launcher: partial(_sweep, bench, *bench.scale.sweep, f"hydra/launcher={launcher}")
            for launcher in ("basic", "local")
        },
        warm_up=False,
    )
    return {"sweep": Measurement(seconds["local"], seconds["basic"], note="measured once")}


def headline(bench: Bench) -> dict[str, Measurement]:
    """Time a whole study on one GPU, five seeds at once, from the command line to the last record."""
    overrides = [*bench.scale.mnist, *bench.scale.headline]
    seconds = bench._replace(rounds=1).alternate({"study": partial(_sweep, bench, *overrides)}, warm_up=False)
    return {"headline": beside_a_second(seconds["study"], "measured once")}
