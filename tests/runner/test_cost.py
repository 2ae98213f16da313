"""What runs cost: counted for the network that a configuration builds, and for its predictions."""

import pytest

from cl_bench.records.run_files import about_run
from cl_bench.runner.cost import cost_of
from cl_bench.runner.run import execute

WEIGHTS = 64 * 8 + 8 * 10  # of small(): 64 pixels, 8 hidden units, two heads of five classes


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # after every run: most of the time of such small ones


def costs(configured, *overrides):
    (folder,) = execute(configured(*overrides))
    return folder, cost_of(folder)


def test_a_real_network_predicts_in_its_tests_as_it_does(configured):
    _, cost = costs(configured, "strategy=finetune")
    assert (cost.tested, cost.binary) == (None, False)
    assert cost.once.counted.total("multiply_adds") == WEIGHTS
    assert cost.once.bits == cost.bits_in_float32


def test_weight_samples_cost_a_pass_each_and_are_drawn_from_the_posterior(configured):
    _, cost = costs(configured, "strategy=bayesbinn", "strategy.num_test_samples=6")
    assert cost.binary
    assert cost.once.counted.total("additions") == cost.once.bits == WEIGHTS
    assert cost.bits_in_float32 == 32 * WEIGHTS
    assert cost.tested.passes == 6
    assert cost.tested.counted.total("additions") == 6 * WEIGHTS
    assert cost.tested.bits == 32 * WEIGHTS


def test_the_most_probable_weights_alone_are_one_pass(configured):
    _, cost = costs(configured, "strategy=bayesbinn", "strategy.num_test_samples=0", "model.activation=gate")
    assert cost.tested is None
    assert cost.once.counted.total("binary_operations") == 8 * 10


def test_bits_are_those_that_the_run_has_recorded(configured):
    from cl_bench.records.rows import State, read

    folder, cost = costs(configured, "strategy=bimu", "strategy.num_test_samples=2")
    *_, state = read(folder / "states.csv", State)
    assert (cost.once.bits, cost.tested.bits) == (state.deployed_bits, state.predicting_bits)


def test_a_strategy_of_avalanche_has_its_network(configured):
    path = "strategy.path=avalanche.training.Naive"
    _, cost = costs(configured, "strategy=avalanche", path, "strategy.settings={}")
    assert cost.tested is None
    assert cost.once.counted.total("multiply_adds") == WEIGHTS


def test_counting_leaves_the_run_as_it_is(configured):
    (folder,) = execute(configured("strategy=bimu"))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    cost_of(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_configuration_that_builds_nothing_is_an_error_with_the_run(configured):
    (folder,) = execute(configured())
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("  hidden:\n", "  depth: 3\n  hidden:\n"))
    with pytest.raises(ValueError, match=f"{folder.name}.*depth"):
        cost_of(folder)
    config.write_text(config.read_text().replace("cl_bench.models.mlp", "os.getcwd"))
    with pytest.raises(ValueError, match="only what conf/ or an installed package names"):
        cost_of(folder)
    assert about_run(folder)["status"] == "finished"
