"""What a network's function or class gets besides its settings, and which settings are read by the suite."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from omegaconf import OmegaConf

from cl_bench.config.choices import choices
from cl_bench.config.signatures import signature_of
from cl_bench.config.sources import NotThereError
from cl_bench.records.identity import LATER_KEY

SHAPES = ("input_shape", "num_classes", "num_heads")  # what the stream asks of a network
# settings of model that the suite reads, unless the function or class has one of that name itself
OF_THE_SUITE = ("gets", "heads", "frozen")
OURS = "cl_bench.models."


def settings_of_the_suite(node: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The settings in `node` that the suite reads for a target whose parameters have these names."""
    return {name: node[name] for name in OF_THE_SUITE if name in node and name not in names}


def shapes_handed(node: Mapping[str, Any], names: Collection[str], *, is_open: bool) -> list[str]:
    """What of `SHAPES` a target gets: what its signature names, or all where it takes `**`.

    `gets` says otherwise, and a setting of one of these names stands.

    Args:
        node: the settings of model.
        names: of the target's parameters.
        is_open: whether it takes settings of any other name.

    Raises:
        ValueError: where `gets` is no list of such names.
    """
    wanted = settings_of_the_suite(node, names).get("gets")
    if wanted is None:
        found = [name for name in SHAPES if is_open or name in names]
    elif isinstance(wanted, Collection) and not isinstance(wanted, str) and set(wanted) <= set(SHAPES):
        found = list(wanted)
    else:
        raise ValueError(f"model.gets must be a list of {', '.join(SHAPES)}, got {wanted!r}")
    return [name for name in found if name not in node]


def check_own_settings(*, heads: object = False, frozen: object = (), gets: object = None) -> None:
    """Check the settings that the suite reads. Raises ValueError."""
    if not isinstance(heads, bool):
        raise ValueError(f"model.heads must be true or false, got {heads!r}")
    names = frozen if isinstance(frozen, list | tuple) else [None]
    if any(isinstance(each, bool) or not isinstance(each, str | int) for each in names):
        raise ValueError(f"model.frozen must be a list of names, such as [layer1, layer2], got {frozen!r}")
    shapes_handed({"gets": gets}, (), is_open=False)


def without_those_of_others(node: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of model, less what only the file had that another `_target_` was put into.

    So `model._target_=my_module.Net` needs no file of its own: what its signature does not name is left out
    where it has the value that stands in a file of conf/model. A target with `**` gets all.
    """
    target = str(node.get("_target_"))
    taken = None if target.startswith(OURS) else _taken(target)
    if taken is None:
        return dict(node)
    known = _in_files(tuple(map(str, choices("model").values())))
    left_out = {
        name
        for name, value in node.items()
        if not name.startswith("_")
        and name not in {"name", *OF_THE_SUITE, *taken}
        and value in known.get(name, ())
    }
    kept = {name: value for name, value in node.items() if name not in left_out}
    if isinstance(node.get(LATER_KEY), Mapping):
        kept[LATER_KEY] = {name: each for name, each in node[LATER_KEY].items() if name not in left_out}
    return kept


def _taken(target: str) -> frozenset[str] | None:
    """The names of a target's parameters; None where it takes any, or where that is not known."""
    try:
        signature = signature_of(target)
    except NotThereError:
        return None
    return None if signature is None or signature.open else frozenset(signature.parameters)


@lru_cache(maxsize=4)
def _in_files(paths: tuple[str, ...]) -> dict[str, list[Any]]:
    """The values that settings have in files of networks, by name."""
    known: dict[str, list[Any]] = {}
    for path in paths:
        content = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        for name, value in content.items() if isinstance(content, dict) else ():
            known.setdefault(str(name), []).append(value)
    return known
