"""The commands whose every call that changes the disk is tried as the last one."""

import shutil
from collections.abc import Callable
from pathlib import Path

from cl_bench.config.compose import compose

from .crashing import Case, run

SMALL = (
    *("benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[4]"),
    *("training.batch_size=256", "strategy=ewc", "training.checkpoint_minutes=0", "training.probe_every=2"),
    "expected=[{what: average_accuracy, strategy: ewc, percent: 90, source: a test}]",
)
PART = 0.6  # of the calls of a run, after which one is stopped that goes on, or begins again


def alone(root: Path) -> Case:
    return Case(root, compose([*SMALL, f"results_dir={root}"]))


def cases(place: Path) -> dict[str, Callable[[], Case]]:
    """What is done -> its case, made when it is asked for: most begin with what a run has left."""
    root = place / "results"

    def seeds(stacked: str) -> Callable[[], Case]:
        settings = [*SMALL, f"results_dir={root}", "seeds=[0,1]", f"training.stacked={stacked}"]
        return lambda: Case(root, compose(settings))

    def after(stopped: bool, *changes: str, without: str = "") -> Callable[[], Case]:
        def make() -> Case:
            before = alone(root)
            shutil.rmtree(root, ignore_errors=True)  # what is left of another case
            _, stops = run(before)
            shutil.rmtree(root)
            root.mkdir()
            run(before, stop_at=int(PART * len(stops)) if stopped else None)
            for each in root.glob(f"*/*/{without}") if without else ():
                shutil.rmtree(each)
            kept = place / "before"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(root, kept)
            config = compose([*SMALL, f"results_dir={root}", *changes])
            return Case(root, config, lambda: shutil.copytree(kept, root, dirs_exist_ok=True))

        return make

    return {
        "a run": lambda: alone(root),
        "a run that was killed goes on": after(True),
        "a run that was killed, and has no checkpoint, begins again": after(True, without="checkpoint"),
        "a finished run is done again (`resume=false`)": after(False, "resume=false"),
        "two seeds at once": seeds("true"),
        "two seeds one after another": seeds("false"),
    }
