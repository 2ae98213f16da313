"""Pure functions that most runs ask the same: a process of tests keeps their answers.

A small run takes a second, of which a third goes into these. Each is keyed by all that its answer depends on.
"""

import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache, wraps
from types import ModuleType
from typing import Any

import yaml


def remember() -> None:
    """For every module that was imported meanwhile, once; imports nothing itself."""
    for name, patch in PATCHES.items():
        module = sys.modules.get(name)
        if module is not None and name not in _patched:
            _patched.add(name)
            patch(module)


def _parsed_yaml(module: ModuleType) -> None:
    """A text of YAML gives the same nodes; one that is wrong is read again, for the error's own words."""
    loader = module.get_yaml_loader()
    parsed = cache(lambda text: loader(text).get_single_data())

    class Loader:
        def __init__(self, stream: Any) -> None:
            self.stream, self.text = stream, stream if isinstance(stream, str) else stream.read()

        def get_single_data(self) -> Any:
            try:
                return deepcopy(parsed(self.text))
            except yaml.YAMLError:
                if self.stream is not self.text:
                    self.stream.seek(0)
                return loader(self.stream).get_single_data()

        def dispose(self) -> None:
            """There is nothing to let go."""

    module.get_yaml_loader = sys.modules["omegaconf.omegaconf"].get_yaml_loader = lambda: Loader


def _names_of_arguments(module: ModuleType) -> None:
    """Avalanche looks at the signatures of all bases, at each base."""
    ask = module._check_mispelled_kwargs
    asked = cache(lambda cls, _inits, names: ask(cls, dict.fromkeys(names)))

    @wraps(ask)
    def check(cls: type, kwargs: Mapping[str, Any]) -> None:
        asked(cls, tuple(each.__init__ for each in cls.mro()), frozenset(kwargs))

    module._check_mispelled_kwargs = check


PATCHES: dict[str, Callable[[ModuleType], None]] = {
    "omegaconf._utils": _parsed_yaml,
    "avalanche.training.templates.base": _names_of_arguments,
}
_patched: set[str] = set()
