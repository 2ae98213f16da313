"""Early stopping: when a task ends, with which weights, and that nothing else is disturbed."""

import math

import pytest
import torch
from small_parts import learner, small_stream, stream  # noqa: F401

from cl_bench.conformance import resuming
from cl_bench.conformance.subject import Subject
from cl_bench.learner.early_stopping import validation_loss
from cl_bench.learner.seeds import Seeds
from cl_bench.models import mlp
from cl_bench.models.stacked import StackedNetwork
from cl_bench.records.rows import Record, State
from cl_bench.strategies import SI, Finetune
from cl_bench.streams.benchmark import to_avalanche

SPLIT = ("benchmark=split_digits", "benchmark.num_tasks=2", "training.learning_rate=0.05")
SI_SETTINGS = {"strength": 1.0, "damping": 0.1, "path": "loss"}


def make_network():
    torch.manual_seed(0)
    return mlp(input_shape=(1, 4, 4), num_classes=2, num_heads=2, hidden=[8], normalisation="batch",
               weights="real")  # fmt: skip


@pytest.fixture
def trained(stream, learner):  # noqa: F811
    """Trained on the first task: the strategy, the losses of its epochs, and what it knew after each."""

    def trained(cls=Finetune, losses=None, monkeypatch=None, **settings):
        benchmark = to_avalanche(stream)
        strategy = cls(model=make_network(), **(learner | settings))
        found, known = [], []

        def measured(self, **kwargs):
            type(strategy)._after_training_epoch(strategy, **kwargs)
            known.append({name: part.clone() for name, part in strategy.network.state_dict().items()})
            known[-1] |= {f"kept {n}": p.clone() for n, p in strategy.state_tensors().items()}
            if hasattr(strategy, "share"):
                known[-1]["share"] = strategy.share.clone()
            found.append(validation_loss(strategy, benchmark.streams["validation"][0]))

        strategy._after_training_epoch = lambda **kwargs: measured(strategy, **kwargs)
        strategy.train(benchmark.train_stream[0], eval_streams=[benchmark.streams["validation"]])
        return strategy, found, known

    return trained


def given(monkeypatch, losses):
    """Validation losses as they are given, one an epoch."""
    left = iter(losses)
    monkeypatch.setattr("cl_bench.learner.early_stopping.validation_loss", lambda *_: next(left))


@pytest.mark.parametrize(
    ("losses", "patience", "num_epochs", "best"),
    [
        ([5, 4, 3, 2, 1, 0], 1, 6, 5),
        ([5, 4, 4, 3, 2, 1], 1, 3, 1),
        ([5, 4, 4, 3, 3, 3], 2, 6, 3),
        ([5, 6, 7, 8, 9, 9], 3, 4, 0),
        ([5, math.nan, 4, math.inf, math.nan, 3], 2, 5, 2),
        ([math.nan] * 6, 2, 2, None),
    ],
)
def test_it_stops_after_so_many_epochs_and_goes_back_to_the_best(
    monkeypatch, trained, losses, patience, num_epochs, best
):
    given(monkeypatch, losses)
    strategy, _, known = trained(SI, **SI_SETTINGS, epochs=6, patience=patience)
    assert len(known) == num_epochs
    assert strategy.steps_taken == num_epochs * 3, "24 examples in batches of 8"
    chosen = known[-1 if best is None else best]
    for name, part in strategy.network.state_dict().items():
        assert torch.equal(part, chosen[name]), name
    assert any("running_mean" in name for name in chosen)


def test_a_path_integral_goes_back_with_the_weights(monkeypatch, trained):
    seen = {}
    consolidate = SI._after_training_exp

    def looked_at(self, **kwargs):
        seen["share"] = self.share.clone()
        consolidate(self, **kwargs)

    monkeypatch.setattr(SI, "_after_training_exp", looked_at)
    given(monkeypatch, [3, 2, 4, 4])
    _, _, known = trained(SI, **SI_SETTINGS, epochs=6, patience=2)
    assert torch.equal(seen["share"], known[1]["share"])
    assert not torch.equal(seen["share"], known[-1]["share"])


def test_without_a_rise_training_is_what_it_was(trained):
    plain, _, _ = trained(epochs=4)
    patient, losses, _ = trained(epochs=4, patience=100, learning_rate=1e-3)
    again, _, _ = trained(epochs=4, learning_rate=1e-3)
    assert losses == sorted(losses, reverse=True), "it falls to the end"
    assert torch.equal(patient.flat.values, again.flat.values)
    assert not torch.equal(patient.flat.values, plain.flat.values)
    assert torch.equal(torch.stack(patient.noise.state()), torch.stack(again.noise.state()))


def test_the_loss_is_the_mean_of_a_loop_over_single_validation_images(trained, stream):  # noqa: F811
    strategy, _, _ = trained(epochs=1)
    task = stream.validation[0]
    images, labels = task.images(torch.device("cpu")), task.labels
    strategy.network.requires_grad_(False).eval()
    losses = [
        -float(strategy.network(image[None], 0)[0].double().log_softmax(dim=0)[label])
        for image, label in zip(images, labels, strict=True)
    ]
    found = validation_loss(strategy, to_avalanche(stream).streams["validation"][0])
    assert found == pytest.approx(sum(losses) / len(losses), rel=1e-6)


def test_it_needs_validation_images_of_the_task(stream, learner):  # noqa: F811
    benchmark = to_avalanche(stream)
    train, validation = list(benchmark.train_stream), list(benchmark.streams["validation"])
    for streams in (None, [], [validation[1]], [benchmark.train_stream]):
        strategy = Finetune(model=make_network(), **learner, patience=1)
        with pytest.raises(ValueError, match=r"training\.patience needs validation images .*eval_streams="):
            strategy.train(train[0], eval_streams=streams)


def test_several_seeds_at_once_are_refused(learner):  # noqa: F811
    stack = StackedNetwork([make_network(), make_network()])
    settings = learner | {"seeds": [Seeds(0), Seeds(1)]}
    with pytest.raises(ValueError, match=r"training\.stacked=false, .*, got patience=2"):
        Finetune(model=stack, **settings, patience=2)


@pytest.mark.parametrize(
    "strategy",
    [
        *("finetune", "si", "vcl", "bayesbinn", "bop", "straight_through", "der", "lwf", "joint", "mesu"),
        *("ivon", "message_passing", "td_vcl"),
    ],
)
def test_a_strategy_is_after_a_task_where_its_best_epoch_ended(lab, strategy):
    """Known by another run, which has no more epochs than the best one."""
    patient = (f"strategy={strategy}", *SPLIT, "training.epochs=8", "training.patience=1")
    losses = []

    run = lab.from_conf(*patient, "benchmark.validation_share=0.5")
    stopping, after_epoch = run.strategy.early_stopping, run.strategy.early_stopping.after_epoch

    def listened(*arguments):
        ends = after_epoch(*arguments)
        losses.append((stopping.lowest_loss, stopping.waited))
        return ends

    stopping.after_epoch = listened
    run.strategy.train(run.benchmark.train_stream[0], eval_streams=[run.benchmark.streams["validation"]])
    best = len(losses) - losses[-1][1]
    short = lab.from_conf(
        f"strategy={strategy}", *SPLIT, f"training.epochs={best}", "benchmark.validation_share=0.5"
    )
    short.strategy.train(short.benchmark.train_stream[0], eval_streams=[])
    kept = run.strategy.state_tensors().items()
    assert torch.equal(run.strategy.flat.values, short.strategy.flat.values), losses
    for name, part in kept:
        assert torch.equal(part, short.strategy.state_tensors()[name]), name


def test_a_run_with_patience_differs_from_one_without_and_has_all_its_rows(lab):
    settings = (*SPLIT, "training.epochs=12", "benchmark.validation_share=0.5")
    records = [
        lab.outcome("strategy=finetune", *settings, *more).records for more in ((), ("training.patience=1",))
    ]
    assert [len(each) for each in records] == [6, 6]
    assert all(isinstance(row, Record) for each in records for row in each)
    assert records[0] != records[1]


@pytest.mark.parametrize(
    ("strategy", "rate"),
    [("finetune", 0.3), ("si", 0.3), ("vcl", 0.3), ("der", 0.3), ("lwf", 0.3), ("bayesbinn", 0.3)],
)
def test_a_run_that_is_stopped_in_its_midst_goes_on_bit_for_bit(strategy, rate):
    subject = Subject(
        strategy, ["training.patience=2", "training.epochs=9", f"training.learning_rate={rate}"]
    )
    whole = resuming._part(subject, resuming.Start(), None)
    place = State._fields.index("stored_bits")  # a whole number, where a record has a fraction
    steps = [int(row[7]) for row in whole.rows if row[place].isdecimal()][1:]
    assert any(number % 45 for number in steps), f"a task of 9 epochs of 5 steps stops early: {steps}"
    stops = [resuming.Stop(1, 12), resuming.Stop(2, 8), resuming.Stop(2, 15), resuming.Stop(3, 14)]
    assert resuming._is(whole, resuming._relay(subject, stops))
