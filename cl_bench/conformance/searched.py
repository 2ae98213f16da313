"""Does `cl-bench tune` search settings that exist, in ranges that the strategy takes?"""

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from cl_bench.config.checked import Checker
from cl_bench.config.given_settings import has, no_setting
from cl_bench.conformance.check import Failed, applies, check
from cl_bench.conformance.subject import SPLIT, Subject
from cl_bench.tuning.search_files import space_of
from cl_bench.tuning.space import Choices, Dimension, Setting


@check(
    "does `cl-bench tune` search settings that exist, with values that it takes?",
    cause="a setting that was renamed in the class and not in conf/search, or an interval that reaches "
    "further than the constructor's rule",
)
def what_tuning_searches_is_taken(subject: Subject) -> str:
    name = subject.strategy
    applies(":" not in name, "a class without a YAML has no file of what is searched")
    files = subject.choices("search")
    applies(
        name in files, f"there is no search/{name}.yaml: cl-bench tune takes ranges from the command line"
    )
    try:
        space = space_of(name, subject.overrides, {})
    except (ValueError, HydraException, OmegaConfBaseException) as error:
        raise Failed(f"{files[name]}: {str(error).splitlines()[0]}") from error
    config = subject.run(*SPLIT).config
    for dimension in space:
        if not dimension.key.startswith("+") and not has(config, dimension.key):
            raise Failed(f"{files[name]}: {no_setting(config, _ends(dimension)[0].override, Checker())}")
        for end in _ends(dimension):
            try:
                subject.run(*SPLIT, end.override)
            except ValueError as error:
                raise Failed(f"{files[name]}: {end.override} is not taken: {error}") from error
    return f"{', '.join(each.key for each in space)}: both ends of each are taken"


def _ends(dimension: Dimension) -> list[Setting]:
    if isinstance(dimension, Choices):
        return [dimension.pick(0), dimension.pick(-1)]
    last = dimension.end - 1 if isinstance(dimension.end, int) else dimension.end
    return [Setting(dimension.key, value, repr(value)) for value in (dimension.start, last)]
