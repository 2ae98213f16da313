"""The rows of the speed table on the device, into the programme's own speed.csv."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from cl_bench.gpu.items import MEASURED, Answer, Asked
from cl_bench.gpu.runs import NO_NETWORK
from cl_bench.speed.bench import FULL, TINY, Bench, Scale
from cl_bench.speed.rows import Results, read_csv, write_csv
from cl_bench.speed.table import GROUPS, LINES

ROUNDS = 3


def rows(asked: Asked) -> Iterator[Answer]:
    """Those of one group of measurements."""
    (group,) = asked.arguments
    path, kind = Path(asked.output, "speed.csv"), asked.device.partition(":")[0]
    scale = TINY if asked.tiny else _without_network(FULL)
    results = Results(LINES, [kind], read_csv(path))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(scale, asked.device, 1 if asked.tiny else ROUNDS, Path(folder))
        results.add(kind, GROUPS[group].measure(bench))
    found = results.rows()
    write_csv(found, path)
    ours = {line.name for line in LINES if line.group == group}
    for row in found:
        if row.name in ours and row.device == kind and row.ratio is not None:
            limit = f"; {row.times_limit:.3g} times its matrix products alone" if row.times_limit else ""
            seconds = f"; {row.seconds:.3g} s" if row.seconds is not None else ""
            said = f"{row.work}, against {row.against}, quartiles {row.low:.3g} to {row.high:.3g}"
            yield Answer(row.name, MEASURED, row.ratio, "ratio", row.target, said + seconds + limit)


def _without_network(scale: Scale) -> Scale:
    return scale._replace(mnist=(*scale.mnist, NO_NETWORK), cifar=(*scale.cifar, NO_NETWORK))
