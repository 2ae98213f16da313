"""Every YAML in conf/benchmark/dataset/ names a builder and gives exactly the arguments that it takes."""

import importlib
import inspect
from pathlib import Path

import pytest
import yaml

import cl_bench.data

FILES = sorted((Path(__file__).resolve().parents[2] / "conf" / "benchmark" / "dataset").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_choice_has_a_description_a_name_and_the_builders_arguments(path: Path):
    text = path.read_text()
    choice = yaml.safe_load(text)
    assert text.startswith("# ")
    assert next(iter(choice)) == "name"
    assert choice.pop("name") == path.stem
    assert choice.pop("_called_by_", "name") in {*choice, "name"}
    module, name = choice.pop("_target_").rsplit(".", 1)
    assert module == "cl_bench.data"
    assert set(choice) == set(inspect.signature(getattr(importlib.import_module(module), name)).parameters)


def test_there_is_a_choice_for_every_builder():
    named = {yaml.safe_load(path.read_text())["_target_"].rpartition(".")[2] for path in FILES}
    functions = {name: getattr(cl_bench.data, name) for name in cl_bench.data.__all__}
    builders = {
        name
        for name, function in functions.items()
        if inspect.isfunction(function) and "with_test" in inspect.signature(function).parameters
    }
    assert builders == named
