"""Data, streams and networks of one's own in a configuration: the same numbers, or a sentence."""

import numpy as np
import pytest
import torch
from torch import nn

from cl_bench.config.build import build_data, build_strategy, build_stream, notes_of
from cl_bench.config.compose import compose
from cl_bench.data import DataError, ImageData, digits
from cl_bench.learner.seeds import Seeds
from cl_bench.runner.fingerprints import data_now
from cl_bench.streams import split

KINDS = {
    "plain": lambda images, labels: (images, labels),
    "float": lambda images, labels: (images.float() / 255, labels),
    "hwc": lambda images, labels: (images.permute(0, 2, 3, 1), labels),
    "nochannel": lambda images, labels: (images[:, 0], labels),
    "int32": lambda images, labels: (images, labels.int()),
    "numpy": lambda images, labels: (images.numpy(), labels.numpy()),
    "one_hot": lambda images, labels: (images, np.eye(10)[labels.numpy()]),
    "offset": lambda images, labels: (images, labels + 1),
    "negative": lambda images, labels: (images.float() / 127.5 - 1, labels),
    "missing": lambda images, labels: (images[labels != 4], labels[labels != 4]),
    "missing_task": lambda images, labels: (images[labels // 2 != 2], labels[labels // 2 != 2]),
}


def mine(kind):
    """The digits as a user has them."""
    if kind == "nothing":
        return None
    data = digits()
    train = KINDS[kind](data.train_images, data.train_labels)
    test = KINDS[kind](data.test_images, data.test_labels)
    return ImageData("mine", *train, *test, data.class_names, "arrays")


def own_stream(*, data, generator):
    return {"data": data}


class Flat(nn.Module):
    """A network without heads."""

    def __init__(self, input_shape, num_classes, num_heads):
        super().__init__()
        self.linear = nn.Linear(int(np.prod(input_shape)), num_classes)

    def forward(self, images):
        return self.linear(images.flatten(1))


FLAT = ("~model", f"+model={{name: flat, _target_: {__name__}.Flat}}")


@pytest.fixture
def configured():
    def make(*overrides, kind="plain"):
        own = [
            "~benchmark/dataset",
            f"+benchmark.dataset={{name: mine, _target_: {__name__}.mine, kind: {kind}}}",
        ]
        return compose(["benchmark=split", *own, *overrides])

    return make


def stream_of(config):
    return build_stream(config, Seeds(0))[0]


@pytest.mark.parametrize("kind", ["float", "hwc", "nochannel", "int32", "numpy", "one_hot"])
@pytest.mark.parametrize("scenario", ["task", "class"])
def test_arrays_of_everyday_kinds_give_the_same_stream(configured, kind, scenario):
    setting = f"benchmark.scenario={scenario}"
    plain, own = (stream_of(configured(setting, kind=each)) for each in ("plain", kind))
    for part in ("train", "test"):
        for one, same in zip(getattr(plain, part), getattr(own, part), strict=True):
            assert one.labels.equal(same.labels)
            assert one.images(torch.device("cpu")).equal(same.images(torch.device("cpu")))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "offset",
            r"train_labels of mine must be in 0\.\.9, .* got 1\.\.10; if they count from 1, subtract 1",
        ),
        (
            "negative",
            r"train_images of mine must be whole numbers 0\.\.255 or floats in \[0, 1\], got float32",
        ),
        ("nothing", r"test_own_data\.mine must return a cl_bench\.data\.ImageData, got nothing"),
    ],
)
def test_what_has_no_single_reading_is_refused_by_name(configured, kind, message):
    with pytest.raises(DataError, match=message):
        build_data(configured(kind=kind))


def test_absent_classes_are_told_and_an_absent_task_is_refused(configured):
    notes = stream_of(configured(kind="missing")).notes
    assert notes == (
        "mine: no training image of class 4",
        "mine: no test image of class 4",
        "task 3 of 5 has a single class: any network is right in 100 % of tests there",
    )
    with pytest.raises(ValueError, match="got none in task 3: mine has no image of 4, 5; add images"):
        stream_of(configured(kind="missing_task"))


@pytest.mark.parametrize(
    "setting", ["benchmark.num_tasks=10", "benchmark.classes_per_task=[1,1,1,1,1,1,1,1,1,1]"]
)
def test_tasks_of_one_class_each_are_refused(configured, setting):
    with pytest.raises(
        ValueError, match=r"got one in each of 10 \(scenario=task\): any network would be right"
    ):
        stream_of(configured(setting))


def test_a_test_set_is_asked_for_only_where_it_is_read(configured):
    config = configured("training.test_on=validation", "benchmark.validation_share=0.1")
    assert build_data(config).test_images.shape == (0, 1, 8, 8)
    assert stream_of(config).test == ()
    assert len(build_data(configured()).test_images) == 355


def test_what_is_no_stream_is_refused_with_its_builders_name(configured):
    config = configured(kind="plain")
    config.benchmark = {
        "name": "mine",
        "_target_": f"{__name__}.own_stream",
        "dataset": {"name": "digits", "_target_": "cl_bench.data.digits"},
    }
    with pytest.raises(ValueError, match=r"own_stream must return a cl_bench\.streams\.TaskStream, got dict"):
        stream_of(config)


@pytest.mark.parametrize(
    ("strategy", "stacked"), [("finetune", False), ("finetune", True), ("avalanche", False)]
)
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("scenario", ["task", "domain"])
def test_a_network_without_heads_is_told_where_tasks_are_known(configured, scenario, own, strategy, stacked):
    overrides = [f"benchmark.scenario={scenario}", f"strategy={strategy}", "training.device=cpu"]
    if strategy == "avalanche":
        overrides.append("strategy.path=avalanche.training.Naive")
    if own:
        overrides += FLAT
    config = configured(*overrides)
    stream = stream_of(config)
    seeds = [Seeds(0), Seeds(1)] if stacked else Seeds(0)
    notes = notes_of(stream, build_strategy(config, stream, seeds))
    told = [note for note in notes if "no head for each task" in note]
    assert bool(told) == (own and scenario == "task")
    assert [note for note in notes if note not in told] == list(stream.notes)


def test_one_task_needs_one_head(configured):
    config = configured("benchmark.num_tasks=1", *FLAT)
    stream = stream_of(config)
    assert notes_of(stream, build_strategy(config, stream, Seeds(0))) == []


def test_a_stream_from_python_needs_no_new_setting():
    """Configurations that older runs left behind have no classes_per_task."""
    stream = split(
        data=digits(),
        padding=0,
        num_tasks=5,
        scenario="task",
        class_order="fixed",
        pixels="unit",
        augmentation="none",
        validation_share=0.0,
        num_train=None,
        generator=torch.Generator(),
    )
    assert stream.num_classes == 2


def test_the_hash_of_arrays_follows_the_file_and_the_folder_that_one_is_in(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    config = compose(
        [
            *("benchmark=split", "benchmark/dataset=arrays", "benchmark.dataset.path=rows.npz"),
            *("benchmark.pixels=raw", f"results_dir={tmp_path / 'results'}"),
        ]
    )
    found = []
    for name in ("here", "there", "here"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        if not (folder / "rows.npz").exists():
            labels = np.arange(20) % 5
            rows = rng.normal(size=(20, 3))
            np.savez(folder / "rows.npz", x=rows, y=labels, x_test=rows, y_test=labels)
        found += [data_now(config), data_now(config)]
    assert found[0] == found[1] == found[4] == found[5]
    assert found[2] == found[3] != found[0]
    np.savez("rows.npz", x=rows + 1, y=labels, x_test=rows, y_test=labels)
    assert data_now(config) not in found


def test_two_files_are_two_benchmarks_and_are_called_by_their_names():
    names = {"arrays": "a/blobs.npz", "features": "b/net.v2.safetensors", "table": "trees.csv"}
    found = [
        compose(["benchmark=split", f"benchmark/dataset={kind}", f"benchmark.dataset.path={path}"])
        for kind, path in names.items()
    ]
    assert [config.benchmark.name for config in found] == ["split_blobs", "split_net.v2", "split_trees"]
