"""Slips are answered before anything is trained, in the words of the command line."""

import numpy as np
import pytest
import torch
from avalanche.core import SupervisedPlugin

import cl_bench
from cl_bench import analysis
from cl_bench.analysis.improvement import improvements
from cl_bench.analysis.over_benchmarks import Scores
from cl_bench.config.checked import SettingError
from cl_bench.config.compose import compose
from cl_bench.python.sweeps import SweepError

SMALL = ["benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[8]"]


@pytest.fixture(scope="module")
def stream():
    return cl_bench.stream("split_digits", num_tasks=2)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("split_digit", {}, r"there is no benchmark=split_digit; .* Did you mean benchmark=split_digits"),
        ("split_digits", {"num_task": 3}, r"there is no setting num_task. Did you mean num_tasks=3\?"),
        ("split_digits", {"n_tasks": 3}, r"Did you mean num_tasks=3\?"),
        (
            "split_digits",
            {"num_tasks": "3"},
            "num_tasks must be a whole number, at least 1, got num_tasks='3'",
        ),
        ("split_digits", {"scenario": "tasks"}, "scenario must be one of task, domain, class"),
        ("split_digits", {"max_degrees": 3}, "there is no setting max_degrees, nor one like it"),
        ("split_digits", {"seed": -1}, "seed must be a whole number"),
        ("split_digits", {"seed": 1, "seeds": [1]}, "seeds takes the place of seed"),
        ("split_digits", {"seed_for": {"ordr": 3}}, "Did you mean seed_for.order"),
        ("split", {"dataset": "digit"}, "there is no benchmark/dataset=digit"),
        ("split", {"dataset": "image_folder"}, "benchmark.dataset.path has no default and must be set"),
        ("split_digits", {"padding": object()}, "padding must be a number, a text"),
        ("split_digits", {"config_dir": "/no/such/folder"}, "config_dir must be a folder"),
    ],
)
def test_slips_in_a_stream(name, settings, message):
    with pytest.raises(ValueError, match=message):
        cl_bench.stream(name, **settings)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("ewcc", {}, "there is no strategy=ewcc; .* Did you mean strategy=ewc"),
        ("ewc", {"strenth": 3.0}, r"there is no setting strenth. Did you mean strength=3.0\?"),
        ("ewc", {"lr": 0.1}, r"Did you mean learning_rate=0.1\?"),
        ("ewc", {"strength": "much"}, "strength must be a number and not negative, got strength='much'"),
        ("ewc", {"strength": -1.0}, "strength must be a number and not negative"),
        ("ewc", {"hidden": 3}, "model.hidden must be a list"),
        ("ewc", {"model": "mpl"}, "there is no model=mpl"),
        ("ewc", {"training.learning_rte": 0.1}, "there is no setting training.learning_rte"),
        ("ewc", {"training": {"learning_rte": 0.1}}, "there is no setting training.learning_rte"),
        ("ewc", {"num_samples": 3}, "there is no setting num_samples"),
        ("ewc", {"device": "cuda:99"}, "training.device"),
        ("ewc", {"seed_for": {"order": 3}}, "seed_for order is the stream's"),
        ("vcl", {"coreset": "some"}, "coreset must be one of"),
        ("avalanche", {"path": "avalanche.training.EWCC"}, "strategy.path must name"),
    ],
)
def test_slips_in_a_strategy(stream, name, settings, message):
    with pytest.raises(ValueError, match=message):
        cl_bench.strategy(name, stream, **settings)


def test_a_name_in_two_places_must_be_given_with_dots(stream, tmp_path):
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "slow.yaml").write_text(
        "name: slow\n_target_: cl_bench.strategies.stock\npath: avalanche.training.Naive\n"
        "settings: {}\nhidden: 3\n"
    )
    with pytest.raises(
        SettingError, match=r"hidden is a setting of strategy.hidden and of model.hidden: write"
    ):
        cl_bench.strategy("slow", stream, hidden=[3], config_dir=tmp_path)


@pytest.mark.parametrize(
    ("strategy", "message"),
    [("ewc", "got a str"), (3, "got a int"), (None, "got a NoneType")],
)
def test_what_is_no_strategy_is_refused(stream, strategy, message):
    with pytest.raises(TypeError, match=message):
        cl_bench.train(strategy, stream)


def test_a_class_in_place_of_an_instance_is_refused(stream):
    from cl_bench.strategies import EWC

    with pytest.raises(TypeError, match="got the class EWC"):
        cl_bench.train(EWC, stream)


def test_a_strategy_trains_once(stream):
    strategy = cl_bench.strategy("finetune", stream, epochs=1)
    cl_bench.train(strategy, stream)
    images = stream.test[0].images("cpu")
    assert strategy.predict(images, 0).exp().sum(dim=1).allclose(images.new_ones(len(images)), atol=1e-5)
    with pytest.raises(ValueError, match="has been trained on 2 tasks already"):
        cl_bench.train(strategy, stream)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"test_on": "train"}, "test_on must be one of test, validation"),
        ({"test_on": "validation"}, "test_on=validation needs validation images"),
        ({"test_last": 0}, "test_last"),
        ({"seed": 3}, "the strategy has its seed already"),
        ({"folder": "mine/.hidden"}, "study must not begin with a dot"),
        ({"seed": [1, 2]}, "the strategy has its seed already"),
        ({"name": "a/b"}, "strategy.name must be a name without /"),
    ],
)
def test_slips_in_training(stream, settings, message):
    strategy = cl_bench.strategy("finetune", stream, epochs=1)
    with pytest.raises(ValueError, match=message):
        cl_bench.train(strategy, stream, **settings)
    assert strategy.clock.train_exp_counter == 0


def test_a_stream_of_other_shapes_is_refused(stream):
    strategy = cl_bench.strategy("finetune", stream, epochs=1)
    with pytest.raises(ValueError, match="was built for a stream of other shapes"):
        cl_bench.train(strategy, cl_bench.stream("permuted_digits"))


def test_seeds_of_a_stream_and_a_strategy_must_agree():
    both = cl_bench.stream("permuted_digits", num_tasks=2, seeds=[0, 1])
    with pytest.raises(ValueError, match="needs a strategy of these"):
        cl_bench.strategy("ewc", both, seed=0)
    one = cl_bench.strategy("ewc", cl_bench.stream("permuted_digits", num_tasks=2), epochs=1)
    with pytest.raises(ValueError, match="a stream of 2 seeds needs a strategy of as many"):
        cl_bench.train(one, both)


def test_a_stream_that_settings_were_tuned_on_is_not_reported():
    stream = cl_bench.stream("permuted_digits", seed=1000)
    strategy = cl_bench.strategy("ewc", stream, epochs=1)
    with pytest.raises(ValueError, match="must not be one that its settings were tuned on"):
        cl_bench.train(strategy, stream)


def test_validation_images_are_tested_where_that_is_asked():
    stream = cl_bench.stream("split_digits", num_tasks=2, validation_share=0.2)
    strategy = cl_bench.strategy("finetune", stream, epochs=1, test_last=1, test_on="validation")
    records = cl_bench.train(strategy, stream)
    assert records["num_examples"].max() < 200
    assert records["on_task"].tolist() == [1, 2]
    assert records["after_task"].tolist() == [1, 2]


# Sweeps


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["strategy=fine"], "Did you mean strategy=finetune"),
        (["strategy ewc"], "'strategy ewc'"),
        (["seed=0,-1"], "seed must be a whole number"),
        (["strategy=ewc", "strategy.strength=-1"], "strength must be a number"),
        (["strategy=ewc", "strategy.strenth=1,2"], "Did you mean strategy.strength"),
        (["hydra/launcher=local", "seed=0,1"], "jobs takes the place of hydra/launcher"),
        (["--no-such-flag", "seed=0"], "settings are written name=value"),
    ],
)
def test_slips_in_a_sweep(words, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        cl_bench.sweep([*words, *SMALL, f"results_dir={tmp_path}"])
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_wants_a_list_and_a_number_of_jobs():
    with pytest.raises(ValueError, match="a list of words"):
        cl_bench.sweep("strategy=ewc,vcl")
    with pytest.raises(ValueError, match="jobs must be a whole number"):
        cl_bench.sweep(["seed=0,1"], jobs=0)


def test_a_sweep_is_one_frame_and_goes_on(tmp_path):
    words = ["strategy=finetune,ewc", "strategy.strength=1,10", "seed=0,1", *SMALL, f"results_dir={tmp_path}"]
    with pytest.warns(UserWarning, match=r"left out: strategy=finetune has no setting strategy.strength"):
        frame = cl_bench.sweep(words, progress=False)
    assert sorted(frame["method"].unique()) == ["ewc strength=1", "ewc strength=10"]
    assert sorted(frame["strategy.strength"].unique()) == [1, 10]
    assert len(frame) == 2 * 2 * 6
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("default/*/records.csv")}
    with pytest.warns(UserWarning, match="left out"):
        again = cl_bench.sweep(words, progress=False)
    assert again.equals(frame)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert (tmp_path / "default" / "sweep.json").is_file()


def test_a_sweep_takes_choices_of_a_folder(tmp_path):
    (tmp_path / "mine" / "strategy").mkdir(parents=True)
    (tmp_path / "mine" / "strategy" / "strong_ewc.yaml").write_text(
        "defaults: [ewc, _self_]\nname: strong_ewc\nstrength: 7.0\n"
    )
    words = ["strategy=strong_ewc,finetune", *SMALL, f"results_dir={tmp_path / 'results'}"]
    frame = cl_bench.sweep(words, config_dir=tmp_path / "mine")
    assert set(frame["strategy"]) == {"strong_ewc", "finetune"}
    again = cl_bench.run([*words[1:], "strategy=strong_ewc"], config_dir=tmp_path / "mine")
    assert len(again) * 2 == len(frame)


def test_a_run_of_a_sweep_that_failed_is_told(tmp_path):
    words = ["training.optimizer=sgd", *SMALL, f"results_dir={tmp_path}"]
    with pytest.warns(UserWarning, match=r"1 of 2 runs did not come to their end: .*NonFiniteLossError"):
        frame = cl_bench.sweep(["training.learning_rate=1e-3,1e30", *words])
    assert set(frame["status"]) == {"finished", "failed"}
    with pytest.raises(SweepError, match="none of 1 runs came to its end: failed: NonFiniteLossError"):
        cl_bench.sweep(["training.learning_rate=1e30", *words])


@pytest.mark.slow  # two processes, each of which reads torch
def test_a_sweep_in_several_processes_gives_the_same_frame(tmp_path):
    words = ["strategy=finetune,ewc", "seed=0,1", "tuned=none", *SMALL]
    here = cl_bench.sweep([*words, f"results_dir={tmp_path / 'a'}"])
    there = cl_bench.sweep([*words, f"results_dir={tmp_path / 'b'}"], jobs=2)
    assert there.equals(here)


@pytest.mark.parametrize("setting", [{"save": ["weights"]}, {"probe_every": 3}])
def test_what_writes_into_a_folder_needs_one(stream, setting):
    strategy = cl_bench.strategy("finetune", stream, epochs=1, **setting)
    with pytest.raises(ValueError, match=r"writes into the folder of a run, .* give folder"):
        cl_bench.train(strategy, stream)


def test_a_class_in_place_of_its_path_is_told_the_path(stream):
    import torch

    with pytest.raises(ValueError, match=r'must be the path of a class.*give "torch\.optim\.AdamW"'):
        cl_bench.strategy("ewc", stream, optimizer=torch.optim.AdamW)
    with pytest.raises(ValueError, match=r"got optimizer='AdamW'; did you mean adamw\?"):
        cl_bench.strategy("ewc", stream, optimizer="AdamW")


@pytest.mark.parametrize("call", [cl_bench.sweep, cl_bench.run])
def test_the_folder_of_results_is_an_argument_or_a_word(tmp_path, call):
    words = ["benchmark=split_digits", "strategy=finetune", "benchmark.num_tasks=2", "training.epochs=1"]
    frame = call(words, results_dir=tmp_path / "rs")
    assert len(frame) > 0
    assert [each.name for each in tmp_path.iterdir()] == ["rs"]
    with pytest.raises(ValueError, match="results_dir is given twice"):
        call([*words, "results_dir=a"], results_dir="b")


def test_one_text_is_no_list_of_words_and_a_list_no_folder(tmp_path):
    for call in (cl_bench.run, cl_bench.sweep, compose):
        with pytest.raises(ValueError, match=r"a list of words, as in \['strategy=ewc'\], got a text"):
            call("strategy=ewc")
    with pytest.raises(ValueError, match=r"one after another, as in load\('a', 'b'\)"):
        analysis.load([str(tmp_path), str(tmp_path)])


def test_improvements_on_a_method_that_is_not_there_are_refused():
    scores = Scores({"ewc": [np.array([0.9])], "si": [np.array([0.8])]}, ["a"], "average_accuracy")
    assert list(improvements(scores, against="ewc")["second"]) == ["si"]
    with pytest.raises(ValueError, match="'nope' was not run on all benchmarks: choose one of ewc, si"):
        improvements(scores, against="nope")


class Counts(SupervisedPlugin):
    """Counts the tasks that it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks = 0

    def after_training_exp(self, strategy, **kwargs) -> None:
        self.tasks += 1


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        (Counts(), r"plugins must be a list of plugins, got a Counts: write plugins=\[\.\.\.\]"),
        (Counts, "plugins must be a list of plugins, got the class Counts"),
        ("replay", "plugins must be a list of plugins, got 'replay'"),
        ([Counts], r"plugins must be objects, got the class Counts: make one of it"),
        (["replay"], "plugins must be objects, got 'replay'"),
    ],
)
def test_what_is_no_list_of_plugins_is_refused(stream, plugins, message):
    with pytest.raises(TypeError, match=message):
        cl_bench.strategy("finetune", stream, plugins=plugins)


def test_plugins_may_be_none_or_come_one_by_one(stream):
    assert cl_bench.strategy("finetune", stream, plugins=None).plugins
    counts = Counts()
    strategy = cl_bench.strategy("finetune", stream, epochs=1, plugins=(each for each in [counts]))
    cl_bench.train(strategy, stream)
    assert counts.tasks == 2


def test_devices_and_types_of_torch_are_written_as_the_command_line_has_them(stream):
    strategy = cl_bench.strategy("finetune", stream, device=torch.device("cpu"), precision=torch.float32)
    settings = strategy.composed.config.training
    assert (settings.device, settings.precision) == ("cpu", "float32")


@pytest.mark.parametrize("call", [cl_bench.run, cl_bench.sweep], ids=lambda call: call.__name__)
def test_a_mapping_of_settings_is_answered_with_the_list(call):
    with pytest.raises(ValueError, match=r"as in \['strategy=ewc', 'seed=3'\], got a mapping"):
        call({"strategy": "ewc", "seed": 3})
