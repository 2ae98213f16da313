"""The kit asks with weight decay and dropout, too: right methods stay right."""

import pytest

import cl_bench
from cl_bench.conformance.check import PASS, result_of
from cl_bench.testing import CHECKS, Subject

REHEARSING = ["replay", "der", "lwf", "function_prior"]  # which train old heads, unless they are off
QUESTIONS = {check.name: check for check in CHECKS}


def passes(question, name, *settings):
    result = result_of(QUESTIONS[question], Subject(name, list(settings)))
    assert result.outcome == PASS, result


@pytest.mark.parametrize("name", REHEARSING)
def test_switched_off_it_is_finetuning_with_weight_decay(name):
    passes("switched_off_it_is_finetuning", name, "training.weight_decay=0.1")


@pytest.mark.parametrize("name", ["ewc", "mas"])
def test_importances_add_up_with_dropout(name):
    passes("importances_add_up", name, "model.dropout=0.2")


@pytest.mark.parametrize("name", ["joint", "finetune", "replay"])
def test_the_heads_of_a_blurred_task_are_trained_from_the_first_task_on(name):
    stream = cl_bench.stream("split_digits", blur=0.5, num_tasks=3, num_train=120)
    strategy = cl_bench.strategy(name, stream, epochs=1, optimizer="adamw", weight_decay=0.01, model="mlp")
    heads = []
    begin = strategy.check_model_and_optimizer

    def watched(**kwargs):
        begin(**kwargs)
        heads.append(sorted(strategy.heads_trained()))

    strategy.check_model_and_optimizer = watched
    cl_bench.train(strategy, stream, progress=False)
    assert heads[0] == [0, 1]
    assert heads[-1][-2:] == [1, 2]
