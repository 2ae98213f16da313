"""The sweeper of conf/hydra/sweeper/cl_bench.yaml. Hydra looks for sweepers in this package alone."""

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper


class CheckedSweeper(BasicSweeper):
    """Hydra's product of all choices, less the combinations that make no sense."""

    def split_arguments(self, overrides: Any, max_batch_size: int | None) -> list[list[list[str]]]:  # type: ignore[override]
        from cl_bench.config.sweep import jobs

        assert self.config is not None
        return list(self.split_overrides_to_chunks(jobs(self.config).run, max_batch_size))

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Do nothing: all jobs were checked when they were found."""
