"""What `cl_bench.analysis` exports stays what it is, whatever is imported later."""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import cl_bench.analysis


def test_no_module_takes_the_place_of_an_exported_name():
    for found in iter_modules(cl_bench.analysis.__path__):
        import_module(f"cl_bench.analysis.{found.name}")
    exported = {name: getattr(cl_bench.analysis, name) for name in cl_bench.analysis.__all__}
    assert not [name for name, each in exported.items() if isinstance(each, ModuleType)]
