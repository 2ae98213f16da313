"""The accuracy with the task known: the same predictions, restricted to the classes of the task."""

import pytest
import torch
from small_parts import small_stream

from cl_bench.evaluation.experiment import measurements
from cl_bench.evaluation.known_task import check_also_test, correct_within
from cl_bench.learner.seeds import Seeds
from cl_bench.models import mlp
from cl_bench.models.stacked import StackedNetwork
from cl_bench.records.rows import Record
from cl_bench.strategies import VCL, Finetune
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.streams.stacked import stack_streams

SHAPES = {"input_shape": (1, 4, 4), "num_classes": 4, "num_heads": 1}
STREAM = {"scenario": "class", "validation_share": 0.0}


OF_VCL = {
    "kl_weight": 1.0,
    "prior_variance": 1.0,
    "initial_log_variance": -1.0,
    "initial_mean_deviation": None,
    "restart": False,
    "num_samples": 1,
    "num_test_samples": 3,
    "coreset": "none",
    "coreset_size": 1,
    "coreset_epochs": 1,
}


def network(seed=0):
    torch.manual_seed(seed)
    return mlp(**SHAPES, hidden=[8], normalisation="none", weights="real")


def rows(strategy, stream, *, seed=0, also_test=("task",)):
    found = measurements(
        strategy, to_avalanche(stream), seed=seed, test_on="test", test_last=None, also_test=also_test
    )
    return [row for each in found for row in each if isinstance(row, Record)]


def test_a_network_that_says_class_0_always_knows_half_of_the_task_with_class_0(learner):
    model = network()
    with torch.no_grad():
        for each in model.parameters():
            each.zero_()
        model.heads.linear.bias.copy_(torch.tensor([4.0, 1.0, 3.0, 2.0]))
    stream = small_stream(**STREAM)
    before = rows(Finetune(model=model, **learner), stream)[:2]
    assert [row.accuracy for row in before] == [0.5, 0.0], "all are taken for class 0"
    assert [row.accuracy_task_known for row in before] == [0.5, 0.5], "of task 2 all are taken for class 2"


def test_it_is_the_argmax_within_the_task_of_each_example():
    log_p = torch.randn(50, 4).log_softmax(1)
    labels = torch.arange(50) % 2 + 1
    within = torch.tensor([False, True, True, False])
    expected = [
        max((1, 2), key=lambda each: row[each]) == label for row, label in zip(log_p, labels, strict=True)
    ]
    assert correct_within(log_p, labels, within).tolist() == expected


def test_nothing_else_changes_bit_for_bit(learner):
    stream = small_stream(**STREAM)
    with_it = rows(Finetune(model=network(), **learner), stream)
    without = rows(Finetune(model=network(), **learner), stream, also_test=())
    assert all(row.accuracy_task_known >= row.accuracy for row in with_it)
    assert [row[:10] for row in with_it] == [row[:10] for row in without]
    assert all(row.accuracy_task_known != row.accuracy_task_known for row in without)


def test_a_sampling_method_is_asked_once_and_its_samples_are_those_of_the_test(learner):
    stream = small_stream(**STREAM)
    strategy = VCL(model=network(), **OF_VCL, **learner)
    outputs: list[torch.Tensor] = []
    predict = strategy.predict
    strategy.predict = lambda images, task: outputs.append(predict(images, task)) or outputs[-1]
    first, second = rows(strategy, stream)[:2]
    labels = torch.cat([task.labels for task in stream.test])
    log_p = torch.cat(outputs)[: len(labels)]
    half = len(stream.test[0])
    for row, part, classes in ((first, slice(0, half), [0, 1]), (second, slice(half, None), [2, 3])):
        within = torch.zeros(4, dtype=torch.bool)
        within[classes] = True
        expected = correct_within(log_p[part], labels[part], within).double().mean()
        assert row.accuracy_task_known == float(expected)


def test_stacked_seeds_have_classes_of_their_own(learner):
    streams = [small_stream(**STREAM), small_stream(**STREAM, class_order=[2, 3, 0, 1])]
    settings = {**learner, "seeds": [Seeds(0), Seeds(1)]}
    together = rows(
        Finetune(model=StackedNetwork([network(0), network(1)]), **settings),
        stack_streams(streams),
        seed=[0, 1],
    )
    for seed in (0, 1):
        alone = rows(
            Finetune(model=network(seed), **{**learner, "seeds": Seeds(seed)}), streams[seed], seed=seed
        )
        mine = [row.accuracy_task_known for row in together if row.seed == seed]
        assert mine == pytest.approx([row.accuracy_task_known for row in alone])


@pytest.mark.parametrize(("scenario", "reason"), [("task", "told the task already"), ("domain", "restricts")])
def test_it_is_refused_where_it_is_no_other_test(scenario, reason):
    with pytest.raises(ValueError, match=reason):
        check_also_test(["task"], scenario)
    check_also_test([], scenario)
    check_also_test(["task"], "class")


def test_a_blurred_task_has_its_own_classes_and_not_those_of_its_neighbours(learner):
    sharp, blurred = small_stream(**STREAM), small_stream(**STREAM, blur=1.0)
    assert set(blurred.train[0].labels.tolist()) > {0, 1}, "it has examples of the next task"
    model = network()
    first = rows(Finetune(model=model, **learner), sharp)[:2]
    assert rows(Finetune(model=network(), **learner), blurred)[:2] == first, "untrained, it is the same test"
