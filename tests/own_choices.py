"""What choices of data sets cannot do without."""

import yaml

from cl_bench.config.choices import choices


def needed_by(group, name):
    """Overrides for the settings of a choice that have no default."""
    written = yaml.safe_load(choices(group)[name].read_text())
    return [f"{group.replace('/', '.')}.{key}=somewhere" for key, value in written.items() if value == "???"]
