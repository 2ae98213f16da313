"""The rows of the speed table on the device, into the programme's own speed.csv."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from cl_bench.config.environment import hardware
from cl_bench.data.image_data import DataError
from gpu.items import MEASURED, Answer, Asked, LeftOutError
from gpu.runs import NO_NETWORK
from speed.bench import FULL, TINY, Bench, Scale
from speed.rows import Results, read_csv, write_csv
from speed.table import GROUPS, LINES

ROUNDS = 3


def rows(asked: Asked) -> Iterator[Answer]:
    """Yield the rows of one group of measurements.

    Raises:
        LeftOutError: where a data set is missing.
    """
    (group,) = asked.arguments
    path, kind = Path(asked.output, "speed.csv"), asked.device.partition(":")[0]
    scale = TINY if asked.tiny else _without_network(FULL)
    results = Results(LINES, [kind], read_csv(path))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(scale, asked.device, 1 if asked.tiny else ROUNDS, Path(folder))
        try:
            results.add(kind, GROUPS[group].measure(bench))
        except DataError as error:
            raise LeftOutError(str(error)) from error
    ours = {line.name for line in LINES if line.group == group}
    about = hardware(asked.device)
    card = f"on {about.get('gpu') or about['processor']}"
    measured = [
        row._replace(note=f"{row.note}; {card}") if row.name in ours and row.ratio is not None else row
        for row in results.rows()
        if row.device == kind
    ]
    write_csv(measured, path)
    for row in measured:
        if row.name in ours and row.ratio is not None:
            limit = f"; {row.times_limit:.3g} times its matrix products alone" if row.times_limit else ""
            seconds = f"; {row.seconds:.3g} s" if row.seconds is not None else ""
            said = f"{row.work}, against {row.against}, quartiles {row.low:.3g} to {row.high:.3g}"
            yield Answer(row.name, MEASURED, row.ratio, "ratio", row.target, said + seconds + limit)


def _without_network(scale: Scale) -> Scale:
    return scale._replace(mnist=(*scale.mnist, NO_NETWORK), cifar=(*scale.cifar, NO_NETWORK))
