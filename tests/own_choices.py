"""What choices of data sets cannot do without."""

import yaml

from cl_bench.config.choices import choices


def needed_by(name):
    """Overrides for the settings of a choice of benchmark/dataset that have no default; none of others."""
    path = choices("benchmark/dataset").get(name)
    settings = {} if path is None else yaml.safe_load(path.read_text())
    return tuple(f"benchmark.dataset.{key}=somewhere" for key, value in settings.items() if value == "???")
