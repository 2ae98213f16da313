"""The launcher of `hydra/launcher=local`. Hydra looks for launchers in this package alone."""

from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher


class SteadyJoblibLauncher(JoblibLauncher):
    """Joblib's launcher, where a worker that is killed costs its own job and no other."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from cl_bench.runner.workers import launch

        return launch(self, super().launch, job_overrides, initial_job_idx)
