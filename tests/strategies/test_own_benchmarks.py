"""Avalanche's newer generators, whose experiences have no task labels, and data sets of one's own."""

from typing import Any

import numpy as np
import pytest
import torch
from avalanche.benchmarks import (
    benchmark_from_datasets,
    class_incremental_benchmark,
    task_incremental_benchmark,
)
from avalanche.benchmarks.utils import as_classification_dataset
from avalanche.training.supervised import Naive
from PIL import Image
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from cl_bench.evaluation.experiment import experiment, measurements
from cl_bench.learner.experiences import check_examples
from cl_bench.learner.no_metrics import NoMetrics
from cl_bench.models import mlp
from cl_bench.records.rows import Record, State
from cl_bench.strategies import EWC, Finetune, Joint, Replay

NUM = 24


def pixels() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(NUM) % 4
    images = torch.rand(NUM, 1, 2, 2, generator=generator) / 2
    images[torch.arange(NUM), 0, labels // 2, labels % 2] += 0.5
    return images, labels


class Own(Dataset):
    """Images of a kind and labels of a kind, as anybody writes one."""

    def __init__(self, image: Any, label: Any, transform: Any = None) -> None:
        self.images, labels = pixels()
        self.image, self.transform = image, transform
        self.targets = [label(each) for each in labels]

    def __len__(self) -> int:
        return NUM

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = self.image(self.images[index])
        return (image if self.transform is None else self.transform(image)), self.targets[index]


def from_pil(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)[None]


def to_pil(image: torch.Tensor) -> Image.Image:
    return Image.fromarray((image[0] * 255).to(torch.uint8).numpy())


DATA = {
    "tensors": Own(lambda image: image, int),
    "tensor_labels": Own(lambda image: image, lambda label: label),
    "numpy_in_double": Own(lambda image: image.double().numpy(), int),
    "pil": Own(to_pil, int, from_pil),
}


def wrapped(dataset: Dataset) -> Any:
    return as_classification_dataset(dataset)


def tensors() -> Any:
    images, labels = pixels()
    data = TensorDataset(images, labels)
    data.targets = labels.tolist()
    return as_classification_dataset(data)


BENCHMARKS = {
    "class_incremental": lambda: class_incremental_benchmark(
        {"train": tensors(), "test": tensors()}, num_experiences=2
    ),
    "from_datasets": lambda: benchmark_from_datasets(
        train=[tensors(), tensors()], test=[tensors(), tensors()]
    ),
    "task_incremental": lambda: task_incremental_benchmark(
        class_incremental_benchmark({"train": tensors(), "test": tensors()}, num_experiences=2)
    ),
}
METHODS = {
    Finetune: {},
    Joint: {"restart": True},
    Replay: {"replay_share": 0.5, "memory_size": 8, "buffer": "reservoir"},
    EWC: {"strength": 1.0, "mode": "separate", "decay": 1.0, "fisher_estimator": "exact"},
}


def network(num_heads: int) -> nn.Module:
    torch.manual_seed(0)
    return mlp(
        input_shape=(1, 2, 2),
        num_classes=4,
        num_heads=num_heads,
        hidden=[8],
        normalisation="none",
        weights="real",
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", BENCHMARKS)
def test_our_strategies_learn_benchmarks_without_task_labels(lab, name, method):
    strategy = method(
        model=network(2 if name == "task_incremental" else 1),
        **METHODS[method],
        **lab.settings(epochs=30, optimizer="adam", learning_rate=0.02),
    )
    measured = measurements(strategy, BENCHMARKS[name](), seed=0, test_on="test", test_last=None)
    found = [row for rows in measured for row in rows]
    records = [each for each in found if isinstance(each, Record)]
    assert [(each.after_task, each.on_task) for each in records] == [
        (after, on) for after in range(3) for on in (1, 2)
    ]
    assert all(each.accuracy > 0.8 for each in records if each.after_task == each.on_task)
    assert [each.after_task for each in found if isinstance(each, State)] == [0, 1, 2]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_naive_runs_beside_ours_in_the_experiment_loop(name):
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
    naive = Naive(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        criterion=nn.CrossEntropyLoss(),
        evaluator=NoMetrics(),
    )
    assert len(list(experiment(naive, BENCHMARKS[name](), seed=0, test_on="test", test_last=None))) == 6


@pytest.mark.parametrize("kind", DATA)
def test_data_sets_of_ones_own_are_learnt_as_tensors_are(lab, kind):
    """The labels are right, and so are the images, of training and of tests."""
    benchmark = benchmark_from_datasets(train=[wrapped(DATA[kind])], test=[wrapped(DATA[kind])])
    strategy = Finetune(model=network(1), **lab.settings(epochs=30, learning_rate=0.02))
    *_, last = experiment(strategy, benchmark, seed=0, test_on="test", test_last=None)
    assert last.accuracy == 1.0


def begin(strategy: Any, benchmark: Any, first: str) -> None:
    if first == "train":
        strategy.train(benchmark.train_stream, eval_streams=[])
    else:
        strategy.eval(benchmark.test_stream)


REFUSED = {
    "pil_without_a_transform": (Own(to_pil, int), "ToTensor"),
    "whole_numbers": (
        Own(lambda image: (image * 255).to(torch.uint8), int),
        r"floating point, got torch\.uint8",
    ),
}


@pytest.mark.parametrize("first", ["train", "eval"])
@pytest.mark.parametrize("kind", REFUSED)
def test_data_that_nobody_can_read_are_refused_with_what_to_do(lab, kind, first):
    data, reason = REFUSED[kind]
    benchmark = benchmark_from_datasets(train=[wrapped(data)], test=[wrapped(data)])
    strategy = Finetune(model=network(1), **lab.settings())
    with pytest.raises(ValueError, match=reason):
        begin(strategy, benchmark, first)


def test_looking_at_an_example_leaves_the_random_order_as_it_is(lab):
    """A random transform is called once more, and training is as without that."""
    ends = []
    for extra in (False, True):
        torch.manual_seed(0)
        noisy = Own(lambda image: image, int, lambda image: image + torch.rand(()))
        benchmark = benchmark_from_datasets(train=[wrapped(noisy)], test=[wrapped(noisy)])
        model = network(1)
        torch.manual_seed(1)
        strategy = Finetune(model=model, **lab.settings())
        if extra:
            check_examples(benchmark.train_stream[0].dataset)
        strategy.train(benchmark.train_stream, eval_streams=[])
        ends.append(strategy.flat.values.data.clone())
    assert torch.equal(*ends)


def test_an_experience_of_two_tasks_is_refused(lab):
    experiences = list(BENCHMARKS["task_incremental"]().train_stream)
    both = experiences[0].dataset.concat(experiences[1].dataset)
    benchmark = benchmark_from_datasets(train=[both], test=[both])
    strategy = Finetune(model=network(2), **lab.settings())
    with pytest.raises(ValueError, match=r"one task label, got \[0, 1\]"):
        strategy.eval(benchmark.test_stream)


# Networks of one's own


def plain(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), *layers)


class TwoOutputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, images: torch.Tensor) -> Any:
        return self.linear(images.flatten(1)), images


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda: plain(nn.LazyLinear(4)), r"1\.weight of a lazy layer"),
        (lambda: plain(nn.Linear(4, 4).double()), r"1\.weight of float64: .* model\.float"),
        (lambda: plain(nn.Linear(4, 4).half()), r"1\.weight of float16"),
    ],
    ids=["lazy", "double", "half"],
)
@pytest.mark.parametrize("method", [Finetune, EWC])
def test_a_network_that_cannot_be_laid_out_is_refused_by_name(lab, method, model, reason):
    with pytest.raises(ValueError, match=reason):
        method(model=model(), **METHODS[method], **lab.settings())


@pytest.mark.parametrize("first", ["train", "eval"])
@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda: plain(nn.Linear(4, 3)), r"labels of this task are 0 to 3, .* 4 outputs, got 3"),
        (TwoOutputs, "one row of logits for each image"),
        (lambda: plain(nn.Linear(4, 4), nn.Unflatten(1, (4, 1))), r"\[B, K\], got \(\d+, 4, 1\)"),
    ],
    ids=["too few", "two", "three axes"],
)
def test_outputs_that_do_not_fit_are_refused_with_the_numbers(lab, model, reason, first):
    benchmark = benchmark_from_datasets(train=[tensors()], test=[tensors()])
    strategy = Finetune(model=model(), **lab.settings())
    with pytest.raises(ValueError, match=reason):
        begin(strategy, benchmark, first)


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(8), nn.Dropout(0.5)], ids=["batch norm", "dropout"])
@pytest.mark.parametrize("method", [Finetune, EWC])
def test_batch_norm_and_dropout_are_trained(lab, method, layer):
    benchmark = benchmark_from_datasets(train=[tensors(), tensors()], test=[tensors(), tensors()])
    strategy = method(
        model=plain(nn.Linear(4, 8), layer, nn.ReLU(), nn.Linear(8, 4)), **METHODS[method], **lab.settings()
    )
    before = strategy.flat.values.data.clone()
    list(experiment(strategy, benchmark, seed=0, test_on="test", test_last=None))
    assert float((strategy.flat.values.data != before).double().mean()) > 0.8


def test_a_network_of_several_heads_must_be_told_the_task(lab):
    with pytest.raises(ValueError, match=r"2 heads must be told the task"):
        network(2)(torch.zeros(1, 1, 2, 2))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_network_without_heads_is_said_where_the_task_is_told(lab, caplog, name):
    strategy = Finetune(model=plain(nn.Linear(4, 4)), **lab.settings())
    strategy.train(BENCHMARKS[name]().train_stream, eval_streams=[])
    said = [each for each in caplog.messages if "no task-incremental results" in each]
    assert len(said) == (name == "task_incremental")
    assert strategy.notes == tuple(said)
