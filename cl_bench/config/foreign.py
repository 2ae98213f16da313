"""Data sets of training.ood: choices of conf/benchmark/dataset that a run is tested on, and never trained."""

from typing import Any

from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from cl_bench.config.build import build
from cl_bench.config.compose import CONFIG_NAME, explain, hydra_apart, loader
from cl_bench.config.tuned import folders_of
from cl_bench.config.tuned_files import TUNING
from cl_bench.data import ImageData
from cl_bench.data.accepted import accepted

GROUP = "benchmark/dataset"


def build_foreign(config: DictConfig) -> list[ImageData]:
    """Read the data sets of training.ood, with their own settings and the run's places for data.

    Raises:
        ValueError: for a name that is no choice, that of the run's own data, or one that needs settings.
    """
    return [_built(str(name), config) for name in config.training.get("ood", ())]


def _built(name: str, config: DictConfig) -> ImageData:
    node = _choice(name, config)
    if node == config.benchmark.dataset or node.get("name") == config.benchmark.dataset.get("name"):
        raise ValueError(
            f"training.ood must name other data sets than that of the run, got {name}: leave it out"
        )
    try:
        OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = str(error.full_key or "").rpartition(".")[2]
        raise ValueError(
            f"training.ood={name} needs the setting {key}: name a choice of {GROUP} that has it"
        ) from error
    data = accepted(build(node), by=str(node.get("_target_")), with_test=True)
    if not len(data.test_images):
        raise ValueError(f"training.ood must name data sets with test images, got {name}, which has none")
    return data._replace(name=name)


def _choice(name: str, config: DictConfig) -> Any:
    """Compose the settings of a data set as `benchmark/dataset=NAME` would, where the run was composed."""
    given: Any = (config.get(TUNING) or {}).get("given") or {}
    found_in = [each for each in given.get("overrides", ()) if each.startswith("hydra.searchpath=")]
    try:
        with hydra_apart():
            whole = loader(folders_of(config)).load_configuration(
                config_name=CONFIG_NAME,
                overrides=[*found_in, "benchmark=split", f"{GROUP}={name}"],
                run_mode=RunMode.RUN,
            )
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(f"training.ood must name data sets, got {name}: {explain(error)}") from error
    with open_dict(whole):
        whole.data = config.data
        whole.training.test_on = "test"
    return whole.benchmark.dataset
