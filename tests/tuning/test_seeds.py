"""Tuning streams share no order with reported ones; where chance makes them share one, the next is taken."""

import pytest

from cl_bench.config.build import build_data, stream_of
from cl_bench.config.compose import compose
from cl_bench.learner.seeds import Seeds
from cl_bench.tuning.tuning_streams import tuning_seeds

SPLIT = ("benchmark=split_digits", "benchmark.class_order=seeded")


def found(*overrides, reported=(), first_seed=100, num_reported=100, num_seeds=2):
    tuning = compose([*overrides, "training.test_on=validation", "benchmark.validation_share=0.1"])
    return tuning_seeds(
        tuning=tuning,
        reported=compose([*overrides, *reported]),
        num_seeds=num_seeds,
        first_seed=first_seed,
        num_reported=num_reported,
    )


def groups(seeds, *overrides):
    """By seed, the classes of each task, read off the labels of its images."""
    config = compose(overrides)
    data = build_data(config)
    streams = {seed: stream_of(config, data, Seeds(seed)) for seed in seeds}
    return {
        seed: tuple(tuple(data.train_labels[task.indices].unique().tolist()) for task in stream.train)
        for seed, stream in streams.items()
    }


def test_permutations_are_told_apart_and_seeds_taken_in_their_order():
    seeds = found("benchmark=permuted_digits", "benchmark.num_tasks=3")
    assert list(seeds.streams) == [100, 101]
    names = [name for order in seeds.streams.values() for name in order]
    assert len(set(names)) == len(names) == 6
    assert not seeds.passed_over


def test_of_two_tasks_of_few_classes_only_other_splits_are_taken():
    two = (*SPLIT, "benchmark.num_tasks=2")  # 252 splits: of a hundred seeds many have one that is reported
    seeds = found(*two, num_seeds=4)
    reported = set(groups(range(100), *two).values())
    tuned = set(groups(seeds.streams, *two).values())
    assert len(tuned) == 4
    assert not tuned & reported
    assert seeds.passed_over
    for seed, split in groups(seeds.passed_over, *two).items():
        name = seeds.passed_over[seed]
        assert split in reported | tuned
        assert name == "class order " + " | ".join(" ".join(map(str, task)) for task in split)


def test_a_fixed_class_order_is_compared_too():
    everything = "benchmark.num_tasks=1"
    with pytest.raises(ValueError, match=r"got none among seeds 100 to 199: .* class order 0 1 2 3 4"):
        found(*SPLIT, everything, reported=["benchmark.class_order=fixed"], num_reported=1)


def test_an_order_that_has_a_seed_of_its_own_cannot_be_tuned_on():
    with pytest.raises(ValueError, match=r"no seed_for\.order"):
        found("benchmark=permuted_digits", "benchmark.num_tasks=1", "seed_for.order=5", num_reported=1)


def test_streams_without_anything_drawn_share_nothing():
    assert found("benchmark=rotated_digits").streams == {100: [], 101: []}


def test_a_first_permutation_that_all_streams_have_is_not_counted():
    settings = ("benchmark=permuted_digits", "benchmark.num_tasks=2", "benchmark.permute_first=false")
    assert [len(order) for order in found(*settings).streams.values()] == [1, 1]


def test_tuning_seeds_below_the_reported_ones_are_refused():
    with pytest.raises(ValueError, match=r"0 to 99, got first_seed=99: set tune.first_seed"):
        found("benchmark=permuted_digits", first_seed=99)


def test_a_stream_that_does_not_tell_its_order_is_refused(monkeypatch):
    from cl_bench.config import build

    make = build.stream_of
    monkeypatch.setattr(build, "stream_of", lambda *arguments: make(*arguments)._replace(order=None))
    with pytest.raises(ValueError, match="must tell its order"):
        found("benchmark=permuted_digits")
