"""Stock Avalanche: its own strategies, loop and loaders on its own classic benchmark."""

import struct
from pathlib import Path

import torch
from avalanche.benchmarks import NCScenario
from avalanche.benchmarks.classic import PermutedMNIST
from avalanche.evaluation.metrics import accuracy_metrics, loss_metrics
from avalanche.training import EWC, Naive
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.templates import SupervisedTemplate
from torch import Tensor, nn

from cl_bench.config.build import build
from cl_bench.data.idx import UNSIGNED_BYTE
from cl_bench.data.idx_sets import MNIST_FILES
from speed.ours import Subject


def write_mnist(subject: Subject, folder: Path) -> None:
    """Write the subject's data set as the four files that Avalanche reads below `folder`.

    With them Avalanche downloads nothing.
    """
    data = build(subject.config.benchmark.dataset)
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    arrays = data.train_images.squeeze(1), data.train_labels, data.test_images.squeeze(1), data.test_labels
    for name, array in zip(MNIST_FILES.names, arrays, strict=True):
        _write_idx(raw / name, array)


def _write_idx(path: Path, array: Tensor) -> None:
    header = struct.pack(f">HBB{array.dim()}I", 0, UNSIGNED_BYTE, array.dim(), *array.shape)
    path.write_bytes(header + array.to(torch.uint8).numpy().tobytes())


def permuted_mnist(folder: Path, *, num_tasks: int) -> NCScenario:
    """Build Avalanche's benchmark of that name, from the files that `write_mnist` left in `folder`."""
    return PermutedMNIST(num_tasks, seed=0, dataset_root=folder)


def naive(subject: Subject) -> SupervisedTemplate:
    """Build Avalanche's fine-tuning with the subject's network, batch sizes and optimizer."""
    return Naive(**_common(subject))


def ewc(subject: Subject) -> SupervisedTemplate:
    """Build Avalanche's EWC in the same way, with the subject's strength."""
    return EWC(**_common(subject), ewc_lambda=subject.config.strategy.strength)


def _common(subject: Subject) -> dict:
    network, training = subject.plain_network(), subject.config.training
    # what the suite records too, and no logger that prints
    evaluator = EvaluationPlugin(accuracy_metrics(experience=True), loss_metrics(experience=True))
    return {
        "model": network,
        "optimizer": torch.optim.Adam(network.parameters(), lr=training.learning_rate),
        "criterion": nn.CrossEntropyLoss(),
        "train_mb_size": training.batch_size,
        "train_epochs": training.epochs,
        "eval_mb_size": training.test_batch_size,
        "device": subject.device,
        "evaluator": evaluator,
    }


def whole_run(strategy: SupervisedTemplate, benchmark: NCScenario) -> None:
    """Train on every task; test all tasks before the first and after each one."""
    strategy.eval(benchmark.test_stream)
    for experience in benchmark.train_stream:
        strategy.train(experience)
        strategy.eval(benchmark.test_stream)
