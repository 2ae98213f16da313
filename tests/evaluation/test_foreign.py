"""Foreign data sets: images are brought to the stream's shape, and told from tasks seen by three measures."""

import math

import pytest
import torch
from avalanche.core import SupervisedPlugin
from small_parts import small_stream

import cl_bench
from cl_bench.data import from_arrays
from cl_bench.evaluation.experiment import measurements, weights_sha256
from cl_bench.evaluation.foreign import foreign_experiences, suited
from cl_bench.learner.seeds import Seeds
from cl_bench.models import mlp
from cl_bench.models.stacked import StackedNetwork
from cl_bench.records.rows import Foreign, Record
from cl_bench.strategies import Finetune
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.streams.stacked import stack_streams


def network(stream, seed=0):
    torch.manual_seed(seed)
    return mlp(
        input_shape=(1, 4, 4),
        num_classes=stream.num_classes,
        num_heads=stream.num_heads,
        hidden=[8],
        normalisation="none",
        weights="real",
    )


def black(number=20):
    return torch.zeros(number, 1, 4, 4, dtype=torch.uint8)


def measured(strategy, stream, foreign, *, seed=0, **tested):
    settings = {"test_on": "test", "test_last": None, **tested}
    return [
        row
        for rows in measurements(strategy, to_avalanche(stream), seed=seed, foreign=foreign, **settings)
        for row in rows
    ]


def test_images_are_brought_to_channels_and_size():
    colour = torch.tensor([200, 100, 50], dtype=torch.uint8).view(1, 3, 1, 1).expand(2, 3, 6, 6)
    grey = suited(colour, (1, 4, 4))
    assert grey.shape == (2, 1, 4, 4)
    assert set(grey.unique().tolist()) == {round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)}
    assert torch.equal(suited(grey, (3, 4, 4)), grey.expand(-1, 3, -1, -1))
    same = torch.randint(256, (3, 1, 4, 4), dtype=torch.uint8)
    assert torch.equal(suited(same, (1, 4, 4)), same)
    with pytest.raises(ValueError, match="1 or 3 channels"):
        suited(torch.zeros(1, 2, 4, 4, dtype=torch.uint8), (1, 4, 4))


def test_an_auroc_is_that_of_the_confidences(learner):
    """A network that doubts black images alone tells all apart; one that is surest of them tells none."""
    stream = small_stream(scenario="domain")
    for sign, expected in ((1.0, 1.0), (-1.0, 0.0)):
        model = network(stream)
        with torch.no_grad():
            for each in model.parameters():
                each.zero_()
            model.body[1].weight.fill_(sign)  # the sum of pixels
            model.body[1].bias.fill_(0.0 if sign > 0 else 100.0)
            model.heads.linear.weight[0].fill_(0.01)
        foreign = [foreign_experiences(black(), stream, name="noise", size=7, seeds=[Seeds(0)])]
        strategy = Finetune(model=model, **{**learner, "learning_rate": 1e-12, "epochs": 1})
        first, *_ = [row for row in measured(strategy, stream, foreign) if isinstance(row, Foreign)]
        assert (first.after_task, first.dataset, first.num_examples) == (1, 1, 7)
        assert first.auroc_confidence == first.auroc_entropy == expected
        assert math.isnan(first.auroc_mutual_information), "nothing is sampled"


@pytest.mark.parametrize("scenario", ["task", "domain"])
def test_records_and_weights_are_the_same_without(learner, scenario):
    stream = small_stream(scenario=scenario)
    foreign = [foreign_experiences(black(), stream, name="noise", size=9, seeds=[Seeds(0)])]
    results = []
    for given in (foreign, []):
        strategy = Finetune(model=network(stream), **learner)
        rows = measured(strategy, stream, given)
        results.append(([row for row in rows if isinstance(row, Record)], weights_sha256(strategy)))
        numbers = [(row.after_task, row.num_examples) for row in rows if isinstance(row, Foreign)]
        assert numbers == ([(1, 9), (2, 9)] if given else [])
    assert repr(results[0]) == repr(results[1])


def test_with_a_head_a_task_only_heads_of_tasks_seen_are_asked(learner, monkeypatch):
    stream = small_stream()
    experiences = foreign_experiences(black(), stream, name="noise", size=5, seeds=[Seeds(0)])
    assert [each.task_data.head for each in experiences] == [0, 1]
    strategy = Finetune(model=network(stream), **learner)
    asked = []
    evaluate = strategy.eval
    monkeypatch.setattr(
        strategy,
        "eval",
        lambda given, **k: asked.append([e.task_data.head for e in given]) or evaluate(given),
    )
    measured(strategy, stream, [experiences])
    assert asked == [[0, 1], [0, 1], [0], [0, 1], [0, 1]]


@pytest.mark.parametrize("scenario", ["task", "domain"])
def test_a_test_of_all_tasks_at_the_end_changes_no_measure_of_foreign_images(learner, scenario):
    """After each task they are told from the newest ones: the curve has no step at its end."""
    stream = small_stream(scenario=scenario)
    foreign = [foreign_experiences(black(), stream, name="noise", size=9, seeds=[Seeds(0)])]
    rows = [
        measured(
            Finetune(model=network(stream), **learner), stream, foreign, test_last=1, test_all_at_end=at_end
        )
        for at_end in (False, True)
    ]
    without, with_all = ([row for row in found if isinstance(row, Foreign)] for found in rows)
    assert repr(without) == repr(with_all)
    assert [row.after_task for row in without] == [1, 2]
    last = [row.on_task for row in rows[1] if isinstance(row, Record) and row.after_task == 2]
    assert last == [1, 2], "all are tested"


def test_stacked_seeds_have_the_samples_that_they_have_alone(learner):
    stream = small_stream(scenario="domain")
    images = torch.randint(256, (30, 1, 4, 4), dtype=torch.uint8)
    seeds = [Seeds(0), Seeds(1)]
    both = stack_streams([stream, stream])
    together = measured(
        Finetune(
            model=StackedNetwork([network(stream, 0), network(stream, 1)]), **{**learner, "seeds": seeds}
        ),
        both,
        [foreign_experiences(images, both, name="noise", size=8, seeds=seeds)],
        seed=[0, 1],
    )
    for seed in (0, 1):
        alone = measured(
            Finetune(model=network(stream, seed), **{**learner, "seeds": seeds[seed]}),
            stream,
            [foreign_experiences(images, stream, name="noise", size=8, seeds=[seeds[seed]])],
            seed=seed,
        )
        pairs = [
            [row[3:5] for row in rows if isinstance(row, Foreign) and row.seed == seed]
            for rows in (together, alone)
        ]
        assert torch.tensor(pairs[0]).numpy() == pytest.approx(torch.tensor(pairs[1]).numpy())


def test_images_are_not_foreign_to_features_nor_features_to_images():
    stream = small_stream()
    features = torch.rand(4, 3, 1, 1)
    with pytest.raises(
        ValueError, match=r"stream's kind, images \[1, 4, 4\], got rows of features \[3, 1, 1\]"
    ):
        foreign_experiences(features, stream, name="rows", size=4, seeds=[Seeds(0)])
    data = from_arrays(
        torch.randn(40, 3), torch.arange(40) % 4, torch.randn(8, 3), torch.arange(8) % 4, name="x"
    )
    of_features = cl_bench.stream("split", dataset=data, num_tasks=2, pixels="raw")
    with pytest.raises(ValueError, match=r"features \[3, 1, 1\], got noise of images"):
        foreign_experiences(black(), of_features, name="noise", size=4, seeds=[Seeds(0)])
    (first, *_) = foreign_experiences(features, of_features, name="rows", size=4, seeds=[Seeds(0)])
    assert torch.equal(first.task_data.images(torch.device("cpu")).sort(0)[0], features.sort(0)[0])


@pytest.mark.parametrize("pixels", ["unit", "standardised", "raw"])
@pytest.mark.parametrize("kind", ["split", "permuted"])
def test_the_same_rows_of_features_are_the_same_inputs(kind, pixels):
    """Permuted features are scaled before they move, each column by its own moments."""
    rows = torch.rand(40, 3) * (torch.tensor([1.0, 900.0, 1e-3]) if pixels != "unit" else 1.0)
    labels = torch.arange(40) % 4
    data = from_arrays(rows, labels, rows[:8], labels[:8], name="x")
    whole = {"num_tasks": 1} if kind == "permuted" else {"num_tasks": 2}
    stream = cl_bench.stream(kind, dataset=data, pixels=pixels, **whole)
    (first, *_) = foreign_experiences(data.test_images, stream, name="rows", size=8, seeds=[Seeds(0)])
    given = first.task_data.images(torch.device("cpu")).flatten(1)
    own = torch.cat([task.images(torch.device("cpu")).flatten(1) for task in stream.test])
    assert torch.equal(given.sort(dim=1)[0].sort(dim=0)[0], own.sort(dim=1)[0].sort(dim=0)[0])


class Sharpens(SupervisedPlugin):
    """Somebody's plugin that changes predictions in tests."""

    def after_eval_forward(self, strategy, **kwargs):
        strategy.mb_output = 1e3 * strategy.mb_output


def test_plugins_that_take_part_in_predictions_do_so_in_every_kind_of_test(learner):
    """The test images of the only task, as foreign ones, are told from themselves by chance."""
    stream = small_stream(scenario="domain", num_tasks=1)
    images = stream.test[0].shared.images
    foreign = [foreign_experiences(images, stream, name="same", size=10**6, seeds=[Seeds(0)])]
    strategy = Finetune(model=network(stream), plugins=[Sharpens()], **learner)
    rows = [row for row in measured(strategy, stream, foreign) if isinstance(row, Foreign)]
    assert {row.auroc_confidence for row in rows} == {0.5}
