"""Put off modules that Avalanche and torch import at their start, and few runs use, until they are used.

A run starts in half the time without them. Nothing is missing: what is taken from one of them reads it when
it is called, subclassed, or asked for an attribute.
"""

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any, Union

# metrics, loggers, solvers, downloads and networks, with their submodules
SELDOM_USED = (
    *("GPUtil", "gdown", "matplotlib", "qpsolvers", "torch.utils.tensorboard", "torchmetrics"),
    *("torchvision.models", "torchvision.ops", "wandb"),
)
COMPILER = "torch._dynamo"


@contextmanager
def deferred(names: Sequence[str] = SELDOM_USED) -> Iterator[None]:
    """Put off the import of some modules, and of torch's compiler, within the block.

    A module that was imported before stays as it is. After the block each is imported as ever.

    Example:
        >>> with deferred():
        ...     import avalanche
    """
    finder = _Later(names)
    sys.meta_path.insert(0, finder)
    if COMPILER not in sys.modules and not any(isinstance(each, _CompilerLater) for each in sys.meta_path):
        sys.meta_path.insert(0, _CompilerLater())
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _forget_unread()


class Unread(ModuleType):
    """A module that is not read yet."""

    def __getattr__(self, name: str) -> Any:
        if not _finders():
            return getattr(_read(self.__name__), name)
        if name.startswith("__"):  # the import asks for them
            raise AttributeError(name)
        return _OfUnread(self.__name__, name)

    def __getattribute__(self, name: str) -> Any:
        if name == "__dict__" and not _finders():  # whoever lists it, by `dir` or `vars`
            return vars(_read(super().__getattribute__("__name__")))
        return super().__getattribute__(name)


class _OfUnread:
    """Something of a module that is not read yet: to use it reads the module."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def _real(self) -> Any:
        module = _read(self._module)
        if not hasattr(module, self._name) and hasattr(module, "__path__"):
            with suppress(ModuleNotFoundError):  # `from package import module` takes modules, too
                return _read(f"{self._module}.{self._name}")
        return getattr(module, self._name)

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        return self._real()(*arguments, **settings)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # typing and decorators ask for them
            raise AttributeError(name)
        return getattr(self._real(), name)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._real(),)

    def __instancecheck__(self, instance: object) -> bool:
        return self._can_have_instances() and isinstance(instance, self._real())

    def __subclasscheck__(self, kind: type) -> bool:
        return self._can_have_instances() and issubclass(kind, self._real())

    def _can_have_instances(self) -> bool:
        """Whether anything of its package is read."""
        package = self._module.partition(".")[0]
        return any(
            name.partition(".")[0] == package and not isinstance(module, Unread)
            for name, module in [*sys.modules.items()]
        )

    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007 (it is no type)

    def __ror__(self, other: Any) -> Any:
        return Union[other, self]  # noqa: UP007


class _Later(MetaPathFinder, Loader):
    """A finder of modules that are to be read later."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not any(f"{name}.".startswith(f"{each}.") for each in self.names):
            return None
        parent = sys.modules.get(name.rpartition(".")[0])
        if name not in self.names and not isinstance(parent, Unread):
            return None  # its package was read
        return _as_package(PathFinder.find_spec(name, path), self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Unread(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing yet: the module is read when it is used."""


def _as_package(real: ModuleSpec | None, loader: Loader) -> ModuleSpec | None:
    """Return the spec of a module that may have submodules, by another loader; None without a module."""
    if real is None:
        return None
    found = ModuleSpec(real.name, loader, origin=real.origin, is_package=True)
    found.submodule_search_locations = list(real.submodule_search_locations or [])
    return found


def _read(name: str) -> ModuleType:
    """Read a module, and return it."""
    if isinstance(sys.modules.get(name), Unread | None):
        _forget_unread()
        finders = _finders()
        sys.meta_path[:] = [each for each in sys.meta_path if each not in finders]
        try:
            importlib.import_module(name)
        finally:
            sys.meta_path[:0] = finders
    return sys.modules[name]


def _finders() -> list[_Later]:
    """List the finders of the blocks that are open."""
    return [each for each in sys.meta_path if isinstance(each, _Later)]


def _forget_unread() -> None:
    for name, module in [*sys.modules.items()]:
        if isinstance(module, Unread):
            del sys.modules[name]


class Compiler(ModuleType):
    """A stand-in for torch's compiler that answers what optimizers and derivatives ask of it: to stay away.

    The compiler is read when anything else of it is used.
    """

    compiled_autograd = SimpleNamespace(_disable=nullcontext)

    @staticmethod
    def graph_break(*_: Any, **__: Any) -> None:
        """There is no graph to break."""

    @staticmethod
    def disable(function: Any = None, recursive: bool = True, **settings: Any) -> Any:
        """Return the function, which the compiler leaves alone also when it is read later."""
        if function is None:
            return lambda each: Compiler.disable(each, recursive, **settings)
        if not isinstance(function, FunctionType | MethodType):  # a network, of which it makes another one
            return _read_compiler().disable(function, recursive, **settings)
        kept: list[Callable[..., Any]] = []

        @wraps(function)
        def never_compiled(*arguments: Any, **given: Any) -> Any:
            if not kept and not isinstance(sys.modules[COMPILER], Compiler):
                kept.append(sys.modules[COMPILER].disable(function, recursive, **settings))
            return (kept[0] if kept else function)(*arguments, **given)

        return never_compiled

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_read_compiler(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            setattr(_read_compiler(), name, value)


class _CompilerLater(MetaPathFinder, Loader):
    """A finder of the compiler's stand-in; an import of one of its parts reads the whole."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name == COMPILER:
            return _as_package(PathFinder.find_spec(name, path), self)
        if name.startswith(f"{COMPILER}."):
            _read_compiler()
            if name in sys.modules:
                return ModuleSpec(name, _AsItIs(sys.modules[name]))
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Compiler(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing yet: the compiler is read when it is used."""


class _AsItIs(Loader):
    """A loader that gives a module that was read on the way to it."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


def is_compiler_read() -> bool:
    """Whether torch's compiler is there, and no stand-in."""
    return not isinstance(sys.modules.get(COMPILER), Compiler | None)


def _read_compiler() -> ModuleType:
    """Read the compiler itself, into the place of its stand-in."""
    if not is_compiler_read():
        sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, _CompilerLater)]
        sys.modules.pop(COMPILER, None)
        importlib.import_module(COMPILER)
        _tell_what_is_deterministic()
    return sys.modules[COMPILER]


def _tell_what_is_deterministic() -> None:
    """Tell the compiler what was set before it was read; see `learner.process`."""
    import torch

    if torch.are_deterministic_algorithms_enabled():
        only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
        torch.use_deterministic_algorithms(True, warn_only=only_warns)
