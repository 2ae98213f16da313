"""Data, strategies and benchmarks of one's own, and what is left of them in a folder."""

import json

import numpy as np
import pytest
import torch
from avalanche.training import Naive
from own_networks import module, small
from torch import nn

import cl_bench
from cl_bench import models, streams
from cl_bench.analysis import load, summary
from cl_bench.data import DataError, ImageData, digits
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.learner.seeds import Seeds
from cl_bench.strategies import EWC, Learner
from cl_bench.streams.benchmark import to_avalanche


def stripes(number=120, *, name="stripes", seed=0):
    """Grey images, 8x8, of which one row is white."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(8, size=number + 40)
    images = generator.random((len(labels), 8, 8)) / 2
    images[np.arange(len(labels)), labels] = 1.0
    return ImageData(
        name, images[:number], labels[:number], images[number:], labels[number:],
        class_names=tuple("abcdefgh"), source="a test",
    )  # fmt: skip


class Modest(Learner):
    """The loss minus rate times the mean entropy of predictions."""

    def __init__(self, *, rate, **learner):
        super().__init__(**learner)
        self.rate = rate

    def criterion(self):
        loss = super().criterion()
        if self.is_training:
            log_p = self.mb_output.log_softmax(dim=-1)
            loss = loss + self.rate * (log_p.exp() * log_p).sum(dim=-1).mean()
        return loss


# Data


def test_a_data_set_of_one_s_own_is_learnt():
    stream = cl_bench.stream("split", dataset=stripes(), num_tasks=4)
    strategy = cl_bench.strategy("finetune", stream, epochs=20, learning_rate=0.01)
    records = cl_bench.train(strategy, stream)
    assert stream.num_tasks == 4
    assert stream.input_shape == (1, 8, 8)
    assert stream.num_classes == 2
    newest = records[records["after_task"] == records["on_task"]]
    assert newest["accuracy"].min() > 0.9
    assert set(records["benchmark"]) == {"split_stripes"}


def test_other_data_are_another_run():
    names = set()
    for data in (stripes(), stripes(seed=1), stripes()):
        stream = cl_bench.stream("split", dataset=data, num_tasks=2)
        names.add(cl_bench.train(small("finetune", stream), stream)["run"].iloc[0])
    assert len(names) == 2


def test_data_that_cannot_be_read_are_refused():
    with pytest.raises(DataError, match="stripes"):
        cl_bench.stream("split", dataset=stripes()._replace(train_labels=np.full(120, 9)))
    with pytest.raises(DataError, match="must be the name of a choice"):
        cl_bench.stream("split", dataset=np.zeros((3, 8, 8)))


# Strategies


def test_a_class_of_one_s_own_takes_its_settings_and_those_of_training():
    stream = cl_bench.stream("split_digits", num_tasks=2)
    plain = small("finetune", stream)
    free, bound = small(Modest, stream, rate=0.0), small(Modest, stream, rate=0.5)
    assert bound.rate == 0.5
    assert bound.train_epochs == 1
    frames = [cl_bench.train(each, stream) for each in (plain, free, bound)]
    assert frames[0]["nll"].equals(frames[1]["nll"])
    assert not frames[0]["nll"].equals(frames[2]["nll"])
    assert set(frames[2]["strategy"]) == {"Modest"}


def test_a_class_of_one_s_own_has_no_settings_that_were_tuned_for_another(tmp_path):
    """Its part of a configuration stands in the place of a choice, which may have been tuned."""
    found = tmp_path / "tuning" / "split_digits" / "finetune.yaml"
    found.parent.mkdir(parents=True)
    found.write_text("# @package _global_\ntraining: {learning_rate: 0.125}\ntuning: {search: grid}\n")
    stream = cl_bench.stream("split_digits", num_tasks=2, config_dir=tmp_path)
    tuned = cl_bench.strategy("finetune", stream, epochs=1)
    own = cl_bench.strategy(Modest, stream, rate=0.0, epochs=1)
    assert tuned.composed.config.training.learning_rate == 0.125
    assert own.composed.config.training.learning_rate == 1e-3
    assert set(cl_bench.train(own, stream)["tuning"]) == {"not tuned"}


def test_a_slip_in_a_setting_of_one_s_own_class_is_told():
    stream = cl_bench.stream("split_digits", num_tasks=2)
    with pytest.raises(ValueError, match="Did you mean rate="):
        small(Modest, stream, rat=0.5)
    with pytest.raises(TypeError, match="its path"):
        small(Naive, stream)


def test_an_instance_trains_and_has_the_seed_of_the_stream():
    stream = cl_bench.stream("permuted_digits", num_tasks=2, seed=3)
    built = small("ewc", stream, strength=1.0)
    mine = EWC(
        model=models.mlp(
            input_shape=stream.input_shape, num_classes=10, num_heads=1, hidden=[8], normalisation="none",
            weights="real",
        ),
        seeds=Seeds(3), strength=1.0, mode="separate", decay=1.0, fisher_estimator="exact", epochs=1,
        iterations=None, batch_size=64, test_batch_size=2000, optimizer="adam", optimizer_state="new",
        active_classes="all", learning_rate=1e-3, schedule="constant", device="cpu", compile=False,
        precision="float32",
    )  # fmt: skip
    records = cl_bench.train(mine, stream, name="mine")
    assert list(records.columns) == list(cl_bench.train(built, stream).columns)
    assert set(records["seed"]) == {3}
    assert set(records["strategy"]) == {"mine"}


def naive():
    model = module()
    return Naive(
        model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), criterion=nn.CrossEntropyLoss(),
        train_mb_size=64, train_epochs=1, eval_mb_size=500, evaluator=None,
    )  # fmt: skip


def test_a_strategy_of_avalanche_s_trains_and_its_seed_decides():
    stream = cl_bench.stream("permuted_digits", num_tasks=2)
    frames = [cl_bench.train(naive(), stream, seed=seed) for seed in (0, 0, 1)]
    assert frames[0].equals(frames[1])
    assert not frames[0]["nll"].equals(frames[2]["nll"])
    assert set(frames[2]["seed"]) == {1}
    assert set(frames[2]["strategy"]) == {"Naive"}


# Streams


def own_stream():
    return streams.split(
        data=digits(), padding=0, num_tasks=2, scenario="task", class_order="fixed", pixels="unit",
        augmentation="none", validation_share=0.0, num_train=None, generator=Seeds(0).generator("order"),
    )  # fmt: skip


def test_a_stream_of_one_s_own_has_the_defaults_of_conf():
    stream = own_stream()
    strategy = cl_bench.strategy("ewc", stream, epochs=1)
    assert strategy.composed.config.strategy.strength == 1000.0  # and not what was tuned for another stream
    records = cl_bench.train(strategy, stream)
    assert set(records["benchmark"]) == {"own"}
    assert set(records["scenario"]) == {"task"}
    assert set(records["tuning"]) == {"not tuned"}


def test_a_benchmark_of_avalanche_s_is_trained_on_as_its_stream_is():
    stream = own_stream()
    ours = cl_bench.train(cl_bench.strategy("ewc", stream, epochs=1), stream)
    theirs = to_avalanche(stream)
    records = cl_bench.train(cl_bench.strategy("ewc", theirs, epochs=1), theirs)
    assert records[["nll", "accuracy"]].equals(ours[["nll", "accuracy"]])


@pytest.mark.parametrize("stream", ["split_digits", None, 3])
def test_what_is_no_stream_is_refused(stream):
    with pytest.raises(TypeError, match="a stream must be one of"):
        cl_bench.strategy("ewc", stream)


# Folders


def test_a_folder_has_runs_that_load_and_summary_read(tmp_path):
    stream = cl_bench.stream("split", dataset=stripes(), num_tasks=2, seeds=[0, 1])
    records = cl_bench.train(small("ewc", stream, model=module(4)), stream, folder=tmp_path / "mine")
    found = load(tmp_path / "mine")
    assert found[records.columns.tolist()].equals(records)
    assert set(records["study"]) == {"mine"}
    assert len(summary(found)) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]
    for path in (tmp_path / "mine").glob("*/run.json"):
        about = json.loads(path.read_text())
        assert about["status"] == "finished"
        assert about["arguments"] is None
        assert about["data"]
        assert not (path.parent / "checkpoint").exists()


def test_a_run_that_is_there_is_not_written_over(tmp_path):
    stream = cl_bench.stream("split_digits", num_tasks=2)
    cl_bench.train(small("ewc", stream), stream, folder=tmp_path / "mine")
    again = small("ewc", stream)
    with pytest.raises(ValueError, match="is finished already: read it"):
        cl_bench.train(again, stream, folder=tmp_path / "mine")
    assert again.clock.train_exp_counter == 0
    cl_bench.train(naive(), cl_bench.stream("permuted_digits", num_tasks=2), folder=tmp_path / "mine")
    assert len(load(tmp_path / "mine")["strategy"].unique()) == 2


def test_a_killed_run_goes_on_from_python(tmp_path):
    stream = cl_bench.stream("split_digits", num_tasks=3)
    whole = small("ewc", stream)
    expected = cl_bench.train(whole, stream)

    first, tasks = small("ewc", stream), []
    trained = first._after_training_exp

    def dies_in_the_second_task(**kwargs):
        trained(**kwargs)
        tasks.append(first.experience)
        if len(tasks) == 2:
            raise KeyboardInterrupt

    first._after_training_exp = dies_in_the_second_task
    with pytest.raises(KeyboardInterrupt):
        cl_bench.train(first, stream, folder=tmp_path / "mine")
    second = small("ewc", stream)
    records = cl_bench.train(second, stream, folder=tmp_path / "mine")
    assert records.drop(columns="study").equals(expected.drop(columns="study"))
    assert weights_sha256(second) == weights_sha256(whole)
    about = json.loads(next((tmp_path / "mine").glob("*/run.json")).read_text())
    assert about["resumed"].startswith("after task 1")
