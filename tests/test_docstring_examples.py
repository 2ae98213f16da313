"""Examples in docstrings of posteriors and analysis are executed; every public function and class has one."""

import doctest
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


def with_torch(module: ModuleType) -> dict[str, Any]:
    return {"torch": torch, module.__name__.rpartition(".")[2]: module}


def with_tables(module: ModuleType) -> dict[str, Any]:
    package = import_module("cl_bench.analysis")
    exported = {name: getattr(package, name) for name in package.__all__}
    return {"np": np, "pd": pd} | exported | {name: getattr(module, name) for name in public(module)}


# package -> what its examples take for imported, as its docstring says
PACKAGES: dict[str, Callable[[ModuleType], dict[str, Any]]] = {
    "cl_bench.posteriors": with_torch,
    "cl_bench.analysis": with_tables,
}
MODULES = {
    name: imported
    for package, imported in PACKAGES.items()
    for name in (
        package,
        *(f"{package}.{found.name}" for found in iter_modules(import_module(package).__path__)),
    )
}


def examples_of(module: ModuleType) -> list[doctest.DocTest]:
    """The examples of a module, of its classes and of its functions; they see what its readers see."""
    imported = MODULES[module.__name__](module)
    return doctest.DocTestFinder().find(module, module.__name__, globs=imported)


def public(module: ModuleType) -> list[str]:
    """The classes and functions without an underscore that the module defines."""
    return [
        name
        for name, each in vars(module).items()
        if callable(each) and not name.startswith("_") and getattr(each, "__module__", "") == module.__name__
    ]


@pytest.fixture
def _as_a_reader_does(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Examples are tried from the checkout; none changes what others draw."""
    monkeypatch.chdir(ROOT)
    with torch.random.fork_rng(devices=[]), pd.option_context("display.width", 80):
        yield


@pytest.mark.usefixtures("_as_a_reader_does")
@pytest.mark.parametrize("name", MODULES)
def test_every_example_gives_what_it_shows(name: str) -> None:
    told: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    for example in examples_of(import_module(name)):
        runner.run(example, out=told.append)
    assert not told, "".join(told)


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_and_class_is_used_in_its_own_docstring(name: str) -> None:
    module = import_module(name)
    shown = {each.name.removeprefix(f"{name}."): each.examples for each in examples_of(module)}
    lacking = [
        each
        for each in public(module)
        if not any(example.want for example in shown.get(each, ()))
        or not any(re.search(rf"\b{each}\W", example.source) for example in shown[each])
    ]
    assert not lacking, f"without an example: {', '.join(lacking)}"
