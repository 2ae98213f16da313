"""Metrics of saved predictions: as scikit-learn and as made by hand; the records' own numbers again."""

from functools import partial

import numpy as np
import pytest
from sklearn import metrics as sklearn

from cl_bench import analysis
from cl_bench.analysis import by_class, of_predictions
from cl_bench.analysis.predictions import Answered, log_softmax, measured, predicted
from cl_bench.config.compose import compose
from cl_bench.records.errors import NotMeasuredError
from cl_bench.runner.run import execute

SMALL = (
    "benchmark=split_digits",
    "training.epochs=1",
    "model.hidden=[8]",
    "training.save=[predictions@each]",
)


def made_up(num_examples=200, num_classes=7, seed=0):
    generator = np.random.default_rng(seed)
    log_p = log_softmax(generator.normal(size=(num_examples, num_classes)) * 3)
    return np.exp(log_p), generator.integers(num_classes - 1, size=num_examples)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A small sweep over methods, scenarios and seeds."""
    folder = tmp_path_factory.mktemp("swept")
    for scenario in ("task", "class"):
        for strategy in ("finetune", "bayesbinn"):
            settings = (f"strategy={strategy}", f"benchmark.scenario={scenario}", f"study={scenario}")
            config = compose([*SMALL, *settings, "seeds=[0,1]", f"results_dir={folder}"])
            execute(config, show_progress=False)
    return folder


@pytest.mark.parametrize("k", [1, 2, 5, 7])
def test_top_k_is_scikit_learn_s(k):
    p, labels = made_up()
    expected = sklearn.top_k_accuracy_score(labels, p, k=k, labels=range(7)) if k < 7 else 1.0
    assert of_predictions.top_k(p, labels, k=k) == pytest.approx(expected, abs=1e-15)
    assert of_predictions.built_in(f"top_{k}")(p, labels) == of_predictions.top_k(p, labels, k=k)


def test_macro_f1_and_the_worst_class_are_those_of_a_loop_over_classes():
    p, labels = made_up(seed=1)
    predictions = p.argmax(axis=1)
    scores, accuracies = [], []
    for each in range(7):
        right = sum(a == b == each for a, b in zip(predictions, labels, strict=True))
        claimed, there = sum(predictions == each), sum(labels == each)
        scores.append(2 * right / (claimed + there) if claimed + there else None)
        accuracies.append(right / there if there else None)
    assert of_predictions.macro_f1(p, labels) == pytest.approx(np.mean([s for s in scores if s is not None]))
    worst = min(each for each in accuracies if each is not None)
    assert of_predictions.worst_class_accuracy(p, labels) == worst


def test_the_negative_log_likelihood_is_scikit_learn_s():
    p, labels = made_up(seed=2)
    expected = sklearn.log_loss(labels, p, labels=range(7))
    assert of_predictions.negative_log_likelihood(p, labels) == pytest.approx(expected, rel=1e-12)
    assert of_predictions.negative_log_likelihood([[1.0, 0.0]], [1]) == np.inf


def test_of_classes_that_are_as_probable_the_first_come_first_as_in_the_accuracy():
    p = np.array([[0.25] * 4] * 4 + [[0.4, 0.1, 0.1, 0.4]] * 4)
    labels = np.array([0, 1, 2, 3] * 2)
    assert of_predictions.top_k(p, labels, k=1) == np.mean(p.argmax(axis=1) == labels) == 0.25
    assert [of_predictions.top_k(p, labels, k=k) for k in (2, 3, 4)] == [0.5, 0.75, 1.0]


@pytest.mark.parametrize("name", ["top_0", "top_", "top_5x", "top_-1", "accuracy", "top_k", ""])
def test_what_is_no_metric_of_ours_is_none(name):
    assert of_predictions.built_in(name) is None


def test_accuracy_and_loss_of_every_test_are_those_of_the_records(swept):
    frame = analysis.load(swept)
    key = ["study", "run", "after_task", "on_task"]
    expected = frame.set_index(key).sort_index()

    def accuracy(p, labels):
        return (p.argmax(axis=1) == labels).mean()

    for function, column, tolerance in (
        (accuracy, "accuracy", 0.0),
        (of_predictions.negative_log_likelihood, "nll", 1e-9),
    ):
        found = measured(function, swept).set_index(key).sort_index()
        assert found.index.equals(expected.index)
        np.testing.assert_allclose(found["value"], expected[column], rtol=tolerance, atol=0)


def test_the_frame_has_a_row_an_example(swept):
    frame, tests = predicted(swept), analysis.load(swept)
    assert len(frame) == tests["num_examples"].sum()
    columns = [f"p{index}" for index in range(10)]
    first = frame[frame["study"] == "class"]
    np.testing.assert_allclose(first[columns].sum(axis=1), 1, rtol=1e-9)
    assert (first[columns].to_numpy().argmax(axis=1) == first["prediction"]).all()
    right = (frame["prediction"] == frame["label"]).groupby(
        [frame[name] for name in ("study", "run", "after_task", "on_task")]
    )
    expected = tests.set_index(["study", "run", "after_task", "on_task"])["accuracy"].sort_index()
    np.testing.assert_array_equal(right.mean().to_numpy(), expected.to_numpy())


def test_per_class_accuracy_adds_up_to_the_accuracy(swept):
    table, tests = by_class.per_class_accuracy(swept), analysis.load(swept)
    table["right"] = table["accuracy"] * table["num_examples"]
    key = ["study", "run", "after_task", "on_task"]
    sums = table.groupby(key)[["right", "num_examples"]].sum()
    expected = tests.set_index(key).sort_index()
    np.testing.assert_array_equal(sums["num_examples"], expected["num_examples"])
    np.testing.assert_allclose(sums["right"] / sums["num_examples"], expected["accuracy"], rtol=1e-12)


def test_confusion_between_tasks_is_that_of_a_loop_over_examples(swept):
    table = by_class.task_confusion(swept)
    assert set(table["study"]) == {"class"}, "classes of a task-incremental run are another task's, too"
    frame = predicted(swept)
    one = table["run"].iloc[0]
    rows = frame[(frame["run"] == one) & (frame["study"] == "class") & (frame["after_task"] == 3)]
    task_of = dict(zip(rows["label"], rows["on_task"], strict=True))
    found = table[(table["run"] == one) & (table["after_task"] == 3)]
    for on_task, predicted_task, share in found[["on_task", "predicted_task", "share"]].itertuples(
        index=False
    ):
        own = rows[rows["on_task"] == on_task]
        expected = np.mean([task_of.get(each, 0) == predicted_task for each in own["prediction"]])
        assert share == expected
    assert found.groupby("on_task")["share"].sum().to_numpy() == pytest.approx(1)


def test_tasks_that_share_classes_are_not_confused():
    tests = [Answered(1, task, np.log([[0.5, 0.5]]), np.array([0])) for task in (1, 2)]
    with pytest.raises(NotMeasuredError, match="classes that belong to one task each"):
        by_class.confusion(tests)


@pytest.mark.parametrize(
    "read", [predicted, partial(measured, of_predictions.macro_f1), by_class.per_class_accuracy]
)
def test_without_saved_predictions_it_is_said_what_to_do(tmp_path, read):
    config = compose([*SMALL, "training.save=[weights]", f"results_dir={tmp_path}"])
    execute(config, show_progress=False)
    with pytest.raises(
        NotMeasuredError, match=r"has saved predictions; run with training.save=\[predictions"
    ):
        read(tmp_path)


def test_a_metric_that_fails_says_for_which_test(swept):
    def broken(p, labels):
        return p[0, 100]

    with pytest.raises(ValueError, match=r"broken must give a number .* task 1 after task 0, got IndexError"):
        measured(broken, swept)
    with pytest.raises(ValueError, match="got TypeError"):
        measured(lambda p, labels: p, swept)


def test_nothing_of_torch_is_imported(tmp_path):
    import subprocess
    import sys

    code = (
        "import cl_bench.analysis.predictions, cl_bench.analysis.by_class, sys; print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"
