"""Measure, write speed.csv, speed.json and the figure, print the table."""

import argparse
import json
import os
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from cl_bench.config.environment import hardware, versions
from cl_bench.figures import save
from speed.bench import FULL, TINY, Bench, Scale
from speed.document import write_tables
from speed.figure import drawable, read_rows, speed_figure
from speed.ours import prepare
from speed.rows import Results, read_csv, text_table, write_csv
from speed.table import GROUPS, LINES

TINY_NOTE = "tiny: the numbers say nothing about speed"


def measure(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; the exit status is 0, or 1 where a measurement failed."""
    given = _parser().parse_args(arguments)
    scale = TINY if given.tiny else FULL
    rounds = scale.rounds if given.rounds is None else given.rounds
    prepare()
    given.output.mkdir(parents=True, exist_ok=True)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    # with --only, what an earlier call measured stays
    results = Results(LINES, devices, read_csv(given.output / "speed.csv") if given.only else [])
    about = _about(given.output / "speed.json") if given.only else {}
    groups = given.only or list(GROUPS)
    now: dict[str, Any] = {
        "scale": TINY_NOTE if given.tiny else "full",
        "rounds": rounds,
        "torch_threads": 1,
        "versions": versions(),
        "hardware": [hardware(device) for device in devices],
        "started": _now(),
        "load_average_before": _load(),
    }
    _measure_groups(results, groups, scale=scale, rounds=rounds, output=given.output)
    now |= {"finished": _now(), "load_average_after": _load()}
    (given.output / "speed.json").write_text(json.dumps(about | dict.fromkeys(groups, now), indent=1) + "\n")
    rows = read_rows(given.output / "speed.csv")
    if not drawable(rows).empty:
        figure = speed_figure(rows, title=TINY_NOTE if given.tiny else "")
        save(figure, given.output / "speed")
    if given.document is not None:
        write_tables(read_csv(given.output / "speed.csv"), given.document)
    print(text_table(results.rows()))
    print(f"\n{TINY_NOTE + chr(10) if given.tiny else ''}{given.output / 'speed.csv'}")
    return 1 if results.failed else 0


def _measure_groups(
    results: Results, groups: Sequence[str], *, scale: Scale, rounds: int, output: Path
) -> None:
    """Measure every group on every device that it has lines for; write what is known after each."""
    wanted = [
        (name, device)
        for name in groups
        for device in results.devices
        if any(line.group == name and device in line.devices for line in LINES)
    ]
    bar = tqdm(
        total=sum(GROUPS[name].seconds for name, _ in wanted),
        disable=None,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
    )
    done = 0.0
    for name, device in wanted:
        bar.set_description(f"{name} ({device})")
        share = GROUPS[name].seconds / (rounds + 1)

        def after_round(share: float = share) -> None:
            bar.update(share)

        try:
            with tempfile.TemporaryDirectory() as folder:
                bench = Bench(scale, device, rounds, Path(folder), after_round)
                results.add(device, GROUPS[name].measure(bench))
        except Exception as error:  # the other rows are worth having
            traceback.print_exc()
            results.fail(name, device, error)
        done += GROUPS[name].seconds
        bar.update(done - bar.n)
        write_csv(results.rows(), output / "speed.csv")
    bar.close()


def _about(path: Path) -> dict[str, Any]:
    """Tell how each group was measured by earlier calls."""
    return json.loads(path.read_text()) if path.exists() else {}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m speed", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="where the files go")
    parser.add_argument(
        "--document", type=Path, metavar="FILE", help="a text whose tables are to be those of speed.csv"
    )
    parser.add_argument("--rounds", type=int, help="how often each pair is measured (5; tiny: 1)")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(GROUPS),
        metavar="NAME",
        help=f"some of {', '.join(GROUPS)}; the others' numbers stay as they were",
    )
    parser.add_argument(
        "--tiny", action="store_true", help="the same code on a few images, to see that it runs"
    )
    return parser


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _load() -> float:
    """Count the processes that wanted a core, a mean over the last minute."""
    return round(os.getloadavg()[0], 2)
