"""Every example in a docstring of the mathematics is executed, and every public function there has one."""

import doctest
import re
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import pytest
import torch

# package -> what its examples take for imported, beside the module that they are in
PACKAGES: dict[str, dict[str, Any]] = {"cl_bench.posteriors": {"torch": torch}}
MODULES = [
    f"{package}.{found.name}"
    for package in PACKAGES
    for found in iter_modules(import_module(package).__path__)
]


def examples_of(module: ModuleType) -> list[doctest.DocTest]:
    """The examples of a module, of its classes and of its functions; they see what a reader sees of it."""
    package, _, own_name = module.__name__.rpartition(".")
    return doctest.DocTestFinder().find(
        module, module.__name__, globs={**PACKAGES[package], own_name: module}
    )


def public(module: ModuleType) -> list[str]:
    """The classes and functions without an underscore that the module defines."""
    return [
        name
        for name, each in vars(module).items()
        if callable(each) and not name.startswith("_") and each.__module__ == module.__name__
    ]


@pytest.mark.parametrize("name", MODULES)
def test_every_example_gives_what_it_shows(name: str) -> None:
    told: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    with torch.random.fork_rng(devices=[]):
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
        or not any(re.search(rf"\b{each}\(", example.source) for example in shown[each])
    ]
    assert not lacking, f"without an example: {', '.join(lacking)}"
