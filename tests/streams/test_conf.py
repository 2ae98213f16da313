"""Every YAML in conf/benchmark gives exactly the settings that its builder takes."""

import inspect

import pytest

from cl_bench import streams
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose


@pytest.mark.parametrize("name", choices("benchmark"))
def test_a_benchmark_has_the_builders_settings(name):
    benchmark = compose([f"benchmark={name}"]).benchmark
    module, target = benchmark["_target_"].rsplit(".", 1)
    assert module == "cl_bench.streams"
    taken = set(inspect.signature(getattr(streams, target)).parameters) - {"data", "generator"}
    assert set(benchmark) - {"name", "_target_", "dataset", "_later_"} == taken


@pytest.mark.parametrize("name", choices("benchmark"))
def test_the_default_is_all_images_as_they_are(name):
    benchmark = compose([f"benchmark={name}"]).benchmark
    assert benchmark.num_train is None
    assert benchmark.get("augmentation", "none") == "none"
    assert benchmark.blur == 0
