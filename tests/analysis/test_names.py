"""What the package gives is what its modules have under that name, whatever was imported before."""

import importlib
import pkgutil

import cl_bench.analysis


def test_no_module_takes_the_name_of_a_function():
    public = {name: getattr(cl_bench.analysis, name) for name in cl_bench.analysis.__all__}
    for module in pkgutil.iter_modules(cl_bench.analysis.__path__):
        importlib.import_module(f"cl_bench.analysis.{module.name}")
    assert {name: getattr(cl_bench.analysis, name) for name in cl_bench.analysis.__all__} == public
