"""Documented names that have moved still import, say where they are now, and are the same things."""

import sys
from importlib import import_module

import pytest

from cl_bench.moved import MOVED, NAMES, moved_name


@pytest.mark.parametrize("old", NAMES)
def test_a_moved_name_is_what_it_was(old):
    module, _, name = old.rpartition(".")
    with pytest.warns(FutureWarning, match=f"is now in cl_bench.{NAMES[old]}"):
        found = getattr(import_module(f"cl_bench.{module}"), name)
    assert found is getattr(import_module(f"cl_bench.{NAMES[old]}"), name)


@pytest.mark.parametrize("old", [old for old, homes in MOVED.items() if homes])
def test_a_moved_module_has_the_names_of_its_new_ones(old):
    sys.modules.pop(f"cl_bench.{old}", None)
    with pytest.warns(FutureWarning, match="import from there"):
        module = import_module(f"cl_bench.{old}")
    for home in MOVED[old]:
        public = {name for name in vars(import_module(f"cl_bench.{home}")) if not name.startswith("_")}
        assert public <= set(vars(module))


def test_a_name_that_never_was_is_an_error():
    with pytest.raises(AttributeError, match="has no attribute 'sentencez'"):
        moved_name("cl_bench.analysis.comparison", "sentencez")
