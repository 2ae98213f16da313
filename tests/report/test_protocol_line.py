"""The line that says how the runs of a table were made."""

import pytest

from cl_bench.analysis.results import Results
from cl_bench.report.protocol_line import protocol

SETTINGS = {
    "benchmark.dataset.name": "mnist",
    "model.name": "mlp",
    "model.hidden": "[100, 100]",
    "training.epochs": 10,
    "training.batch_size": 128,
    "training.optimizer": "adam",
    "training.learning_rate": 0.001,
    "training.schedule": "constant",
    "training.test_on": "test",
}


def told(search="random, 16 trials", seeds=(1000, 1001)):
    """What a run with tuned settings has in run.json."""
    files = {"tuned/permuted_mnist/ewc.yaml": "3f"}
    return {"tuning": files, "tuned_by": {"search": search, "seeds": list(seeds), "differs": []}}


@pytest.fixture
def protocol_of(tmp_path):
    return lambda: protocol(Results.read(tmp_path).found)


def values(found, name):
    (fact,) = [fact for fact in found.facts if fact.name == name]
    return dict(fact.values)


def test_it_names_data_stream_network_training_seeds_and_tuning(tmp_path, write_run, protocol_of):
    for seed in range(3):
        write_run(tmp_path, seed=seed, settings=SETTINGS, **told())
    assert protocol_of().line == (
        "mnist · domain-incremental · 3 tasks · mlp 100-100 · 10 epochs · batch 128 · adam lr 0.001 · "
        "3 seeds · all tuned (random, 16 trials, 2 streams)"
    )


def test_what_else_the_optimizer_does_is_told(tmp_path, write_run, protocol_of):
    more = {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.0, "clip_norm": 1.0, "warm_up": 0.1}
    changed = {f"training.{name}": value for name, value in more.items()} | {"training.patience": 3}
    write_run(tmp_path, settings=SETTINGS | changed, **told())
    line = protocol_of().line
    assert "· at most 10 epochs (patience 3) ·" in line
    assert "· sgd lr 0.001 momentum 0.9 clip 1 warm-up 0.1 ·" in line


def test_what_differs_is_a_range_in_the_line_and_by_method_below_it(tmp_path, write_run, protocol_of):
    for name, epochs, schedule in (
        ("ewc", 1, "constant"),
        ("si", 5, "cosine"),
        ("vcl", 100, "cosine_by_epoch"),
    ):
        changed = {"training.epochs": epochs, "training.schedule": schedule}
        write_run(tmp_path, strategy=name, settings=SETTINGS | changed, tuning="none: defaults")
    write_run(tmp_path, strategy="vcl", seed=1, settings=SETTINGS | changed, tuning="none: defaults")
    found = protocol_of()
    assert "· 1 to 100 epochs ·" in found.line
    assert "· 3 schedules ·" in found.line
    assert found.line.endswith("· 1 to 2 seeds · not tuned")
    assert values(found, "length") == {"1 epoch": ["ewc"], "5 epochs": ["si"], "100 epochs": ["vcl"]}
    assert values(found, "seeds") == {"0": ["ewc", "si"], "0, 1": ["vcl"]}


def test_each_way_of_tuning_is_counted(tmp_path, write_run, protocol_of):
    write_run(tmp_path, strategy="ewc", **told())
    write_run(tmp_path, strategy="vcl", **told("by hand", [1000]))
    write_run(tmp_path, strategy="si", tuning="none: defaults")
    write_run(tmp_path, strategy="mas")
    found = protocol_of()
    assert found.line.endswith(
        "1 tuned (by hand, 1 stream), 1 tuned (random, 16 trials, 2 streams), "
        "1 not tuned, 1 tuning not recorded"
    )
    assert values(found, "tuning")[
        "tuned (tuned/permuted_mnist: random, 16 trials; on the streams of seed 1000, 1001)"
    ] == ["ewc"]


def test_validation_images_and_iterations_are_said(tmp_path, write_run, protocol_of):
    changed = {"training.iterations": 2000, "training.test_on": "validation"}
    write_run(tmp_path, settings=SETTINGS | changed, test_last=2)
    line = protocol_of().line
    assert "3 tasks (last 2 tested)" in line
    assert "2000 iterations" in line
    assert "epochs" not in line
    assert "scored on validation images" in line


@pytest.mark.parametrize(
    "about",
    [
        {"settings": None},
        {
            "settings": {
                "model.hidden": None,
                "training.epochs": "1e999 epochs",
                "training.batch_size": "x" * 999,
            }
        },
        {"tuned_by": {"seeds": 7}, "tuning": {"a": 1}},
        {"tuned_by": {"seeds": [None, "x" * 999]}, "tuning": {"a": 1}},
        {"scenario": None, "num_tasks": 0, "status": "failed", "last_task": 0},
    ],
)
def test_what_others_wrote_is_no_error(tmp_path, write_run, protocol_of, about):
    write_run(tmp_path, **about)
    write_run(tmp_path, strategy="vcl", settings=SETTINGS)
    assert len(protocol_of().line) < 1_000
