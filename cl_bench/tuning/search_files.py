"""What conf/search says is tried of a strategy."""

from collections.abc import Sequence

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import MissingConfigException

from cl_bench.config.compose import CONFIG_NAME, VERSION_BASE, hydra_apart
from cl_bench.config.places import conf_folder
from cl_bench.tuning.space import Dimension, read_space


def space_of(strategy: str, overrides: Sequence[str], given: dict[str, Dimension | None]) -> list[Dimension]:
    """Read conf/search/<strategy>.yaml, with what the command line gives in its place.

    Raises:
        ValueError: where there is nothing to search.
    """
    searchpath = [each for each in overrides if each.startswith("hydra.searchpath=")]
    space: dict[str, Dimension | None] = {}
    with hydra_apart(), initialize_config_dir(str(conf_folder()), version_base=VERSION_BASE):
        try:
            # beside the run's configuration: the search path of overrides does not count for a primary one
            config = hydra_compose(CONFIG_NAME, overrides=[*searchpath, f"+search={strategy}"])
            space |= {each.key: each for each in read_space(dict(config.search))}
        except MissingConfigException:
            pass
    space |= given
    searched = [each for each in space.values() if each is not None]
    if not searched:
        raise ValueError(
            f"there is nothing to search for strategy={strategy}: give several values, as in "
            f"training.learning_rate=1e-3,1e-2, or a file search/{strategy}.yaml"
        )
    return searched
