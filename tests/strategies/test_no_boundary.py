"""Which methods need no boundary between tasks: where one is put changes no bit of what they learn."""

import re
from functools import partial
from pathlib import Path

import pytest
import torch
from strategy_variants import SUBJECTS

from cl_bench.config.build import build_strategy
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose
from cl_bench.data import digits
from cl_bench.learner.seeds import Seeds
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.streams.scaling import scaling_of
from cl_bench.streams.tasks import SharedImages, TaskData, TaskStream
from cl_bench.streams.transforms import identity

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how_to" / "no_boundaries.md"
SIZE, BATCH = 64, 16


def stream(*bounds: int) -> TaskStream:
    """The same 128 digits, as tasks that end at these places."""
    data = digits()
    shared = SharedImages(data.train_images[: 2 * SIZE])

    def task(start: int, end: int) -> TaskData:
        places = torch.arange(start, end)
        scaling = scaling_of(data, "unit")
        return TaskData(
            shared, places, data.train_labels[places], head=0, view=identity, to_float=scaling, augment=None
        )

    tasks = tuple(task(start, end) for start, end in zip((0, *bounds), bounds, strict=False))
    return TaskStream(tasks, (), tasks, "domain", (1, 8, 8), 10, 1)


def learnt(strategy: str, stream: TaskStream) -> dict[str, torch.Tensor]:
    """All that the strategy keeps after the last task: weights, posterior, memory."""
    settings = ["training.epochs=1", f"training.batch_size={BATCH}", "training.optimizer_state=kept"]
    config = compose(["model.hidden=[8]", f"strategy={strategy}", "tuned=none", *settings])
    learner = build_strategy(config, stream, Seeds(0))
    for experience in to_avalanche(stream).train_stream:
        learner.train(experience)
    return {**learner.state_tensors(), "weights": learner.flat.values.data}


def needs_no_boundary(strategy: str) -> bool:
    two, one = learnt(strategy, stream(SIZE, 2 * SIZE)), learnt(strategy, stream(2 * SIZE))
    return two.keys() == one.keys() and all(torch.equal(two[name], one[name]) for name in one)


@pytest.fixture(autouse=True)
def in_order(monkeypatch: pytest.MonkeyPatch):
    """Let a pass go through its examples in their order, so that batches are the same wherever tasks end."""

    def unshuffled(num_examples, generator):
        return torch.arange(num_examples)

    monkeypatch.setattr("cl_bench.learner.batches.shuffled", unshuffled)
    monkeypatch.setattr("cl_bench.learner.mixed_batches.shuffled", unshuffled)


@pytest.mark.parametrize("strategy", [each for each in choices("strategy") if each != "avalanche"])
def test_the_page_says_which_methods_need_no_boundary(strategy):
    (line,) = re.findall(r"^- No bit depends on one: (.*)$", PAGE.read_text(), re.MULTILINE)
    assert needs_no_boundary(strategy) == (f"`{strategy}`" in line)


@pytest.mark.parametrize("name", SUBJECTS)
def test_tests_with_own_statistics_need_no_task_of_one_head(lab, name):
    """What a method needs of a task it says in training, and not in a test of the untrained network."""
    strategy, *settings = SUBJECTS[name]
    blurred = (
        "benchmark=permuted_digits",
        "benchmark.num_tasks=2",
        "benchmark.scenario=task",
        "benchmark.blur=0.5",
    )
    tested = ("model.normalisation=batch", "training.epochs=1", "training.also_test=[statistics]")
    make = partial(lab.from_conf, *blurred, *tested, f"strategy={strategy}", *settings)
    if strategy in ("function_prior", "lwf", "message_passing"):
        with pytest.raises(ValueError, match=r"blur=0\.5|without normalisation"):
            make()
        return
    run = make()
    if getattr(run.strategy, "coreset", "none") != "none":
        with pytest.raises(ValueError, match=r"set benchmark\.blur=0"), lab.seeded():
            run.records()
        return
    with lab.seeded():
        assert len(run.records()) > 2
