"""Streams without sharp boundaries: which examples are exchanged, where they stand, who trains on them."""

import pytest
import torch

from cl_bench.config.build import build_strategy, build_stream
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose
from cl_bench.evaluation.experiment import experiment
from cl_bench.learner.batches import batches_of
from cl_bench.learner.mixed_batches import RoomBatches
from cl_bench.learner.second_pass import HeadByHead
from cl_bench.learner.seeds import Seeds
from cl_bench.runner.run import execute
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.streams.blur import AFTER, BEFORE, OWN, in_order, rise

CPU = torch.device("cpu")
SMALL = ["benchmark=split_digits", "benchmark.num_tasks=3", "model.hidden=[8]", "training.batch_size=16"]


def stream_of(*overrides: str, seed: int = 0):
    return build_stream(compose([*SMALL, *overrides]), Seeds(seed))[0]


def seen(task) -> list[bytes]:
    return [bytes(each) for each in task.pixels(CPU).flatten(1).numpy()]


@pytest.mark.parametrize("window", range(2, 60))
def test_the_share_of_the_next_task_rises_linearly(window):
    counts = rise(window).cumsum(0)
    places = torch.arange(1, window + 1)
    assert (counts - places**2 / (4 * window)).abs().max() <= 0.5
    assert int(counts[-1]) == int(window / 4 + 0.5)


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
@pytest.mark.parametrize("blur", [0.3, 1.0])
def test_every_example_is_trained_on_once_and_tasks_keep_their_sizes(scenario, blur):
    settings = f"benchmark.scenario={scenario}", "benchmark.validation_share=0.1"
    sharp, mixed = stream_of(*settings), stream_of(*settings, f"benchmark.blur={blur}")
    assert [len(task) for task in sharp.train] == [len(task) for task in mixed.train]
    assert sorted(each for task in sharp.train for each in seen(task)) == sorted(
        each for task in mixed.train for each in seen(task)
    )
    for part in ("validation", "test"):
        for one, other in zip(getattr(sharp, part), getattr(mixed, part), strict=True):
            assert torch.equal(one.labels, other.labels)
            assert torch.equal(one.pixels(CPU), other.pixels(CPU))
    owner = {image: number for number, task in enumerate(sharp.train) for image in seen(task)}
    label = {
        image: int(of) for task in sharp.train for image, of in zip(seen(task), task.labels, strict=True)
    }
    for number, task in enumerate(mixed.train):
        windows = [
            int(blur * min(len(task), len(sharp.train[other])) / 2)
            for other in (number - 1, number + 1)
            if 0 <= other < 3
        ]
        given = sum(int(each / 4 + 0.5) for each in windows)
        assert int((task.kinds != OWN).sum()) == given
        images = seen(task)
        for image, kind, head, of in zip(images, task.kinds, task.heads, task.labels, strict=True):
            assert owner[image] == number + {BEFORE: -1, OWN: 0, AFTER: 1}[int(kind)]
            assert int(head) == (owner[image] if scenario == "task" else 0)
            assert int(of) == label[image]


def test_places_near_a_boundary_are_the_neighbours():
    stream = stream_of("benchmark.blur=0.5")
    first, second, _ = stream.train
    window = int(0.5 * min(len(first), len(second)) / 2)
    assert (first.kinds[: len(first) - window] == OWN).all()
    assert torch.equal(first.kinds[-window:] == AFTER, rise(window))
    assert torch.equal(second.kinds[:window] == BEFORE, rise(window).flip(0))
    images = torch.stack([torch.as_tensor(first[place][0]) for place in range(len(first))])
    assert torch.equal(images, first.images(CPU))


def test_zero_is_the_stream_of_before_and_draws_nothing():
    sharp, zero = (
        stream_of("benchmark.class_order=seeded"),
        stream_of("benchmark.class_order=seeded", "benchmark.blur=0.0"),
    )
    for one, other in zip(sharp.train, zero.train, strict=True):
        assert torch.equal(one.indices, other.indices)
    blurred = stream_of("benchmark.class_order=seeded", "benchmark.blur=0.5")
    assert blurred.order == sharp.order


@pytest.mark.parametrize("blur", [-0.1, 1.1, "x", 0.0001])
def test_another_share_is_refused(blur):
    with pytest.raises(ValueError, match=r"blur must"):
        stream_of(f"benchmark.blur={blur}")


@pytest.mark.parametrize("benchmark", ["permuted_digits", "rotated_digits", "sequence"])
def test_every_stream_can_be_blurred(benchmark):
    datasets = ["benchmark.dataset.datasets=[digits,{dataset: digits, with_test: true}]"]
    several = datasets if benchmark == "sequence" else []
    config = compose([f"benchmark={benchmark}", *several, "benchmark.blur=1.0"])
    stream = build_stream(config, Seeds(0))[0]
    assert all(len(task.kinds.unique()) > 1 for task in stream.train)


def test_a_pass_keeps_the_places_and_shuffles_within_a_task():
    (_, task, _) = stream_of("benchmark.blur=1.0").train
    batches = batches_of([task], batch_size=16, device=CPU, generator=torch.Generator().manual_seed(0))
    orders = [batches.order() for _ in range(2)]
    for order in orders:
        assert torch.equal(task.kinds[order], task.kinds)
        assert torch.equal(order.sort().values, torch.arange(len(task)))
    assert not torch.equal(*orders)
    heads = torch.cat([torch.as_tensor(each[2]).expand(len(each[1])) for each in batches])
    assert torch.equal(heads, task.heads)


def test_a_pass_with_room_for_others_is_a_sample_of_the_places():
    (_, task, _) = stream_of("benchmark.blur=1.0").train
    generator = torch.Generator().manual_seed(0)
    batches = RoomBatches(batches_of([task], batch_size=16, device=CPU, generator=generator), share=0.5)
    first, second = batches.order(), batches.order()
    assert len(set(first.tolist()) | set(second.tolist())) == len(first) + len(second)
    for order in (first, second):
        assert torch.equal(task.kinds[order], task.kinds[order.sort().values])


def test_positions_are_arranged_by_kind():
    kinds = torch.tensor([BEFORE, OWN, BEFORE, OWN, AFTER, OWN])
    arranged = in_order(torch.tensor([5, 4, 2, 3, 0, 1]), kinds)
    assert arranged.tolist() == [2, 5, 0, 3, 4, 1]


@pytest.mark.parametrize("scenario", ["task", "class"])
@pytest.mark.parametrize("strategy", [each for each in choices("strategy") if each != "avalanche"])
def test_every_strategy_runs_on_one_pass_or_refuses_in_words(strategy, scenario):
    settings = [f"strategy={strategy}", f"benchmark.scenario={scenario}", "tuned=none", "training.epochs=1"]
    config = compose([*SMALL, *settings, "benchmark.blur=1.0", "benchmark.num_train=120"])
    stream, _ = build_stream(config, Seeds(0))
    if scenario == "task" and strategy in ("lwf", "function_prior"):
        with pytest.raises(ValueError, match=r"set benchmark.blur=0, or benchmark.scenario=domain or class"):
            build_strategy(config, stream, Seeds(0))
        return
    learner = build_strategy(config, stream, Seeds(0))
    records = list(experiment(learner, to_avalanche(stream), seed=0, test_on="test", test_last=None))
    assert len(records) > 3


def test_what_is_measured_of_a_task_is_measured_head_by_head():
    (first, _, _) = stream_of("benchmark.blur=1.0").train
    batches = HeadByHead(batches_of([first], batch_size=16, device=CPU))
    found = list(batches)
    assert {head for _, _, head in found} == {0, 1}
    assert max(len(labels) for _, labels, _ in found) == 16
    for head in (0, 1):
        images = torch.cat([each for each, _, of in found if of == head])
        labels = torch.cat([each for _, each, of in found if of == head])
        assert torch.equal(images, first.images(CPU)[first.heads == head])
        assert torch.equal(labels, first.labels[first.heads == head])


def test_stacked_seeds_train_as_alone(tmp_path):
    settings = ["benchmark.blur=0.6", "training.epochs=2", "strategy=replay", f"results_dir={tmp_path}"]
    execute(compose([*SMALL, *settings, "seeds=[0,1]", "study=together"]))
    for seed in (0, 1):
        execute(compose([*SMALL, *settings, f"seed={seed}", "study=alone"]))
    rows = {
        study: {path.parent.name: path.read_text() for path in (tmp_path / study).glob("*/records.csv")}
        for study in ("together", "alone")
    }
    assert len(rows["alone"]) == 2
    assert rows["together"].keys() == rows["alone"].keys()
    for name, text in rows["alone"].items():
        assert _numbers(rows["together"][name]) == _numbers(text)


def _numbers(text: str) -> list[list[str]]:
    """Rows without times."""
    header, *lines = [line.split(",") for line in text.splitlines()]
    kept = [place for place, name in enumerate(header) if "seconds" not in name and "time" not in name]
    return [[line[place] for place in kept] for line in lines]
