"""VCL on a convolutional network, its convolutions drawn as whole weights and place by place."""

import inspect

import pytest
import torch

from cl_bench.config.compose import compose, plain
from cl_bench.conformance.check import FAIL, PASS, result_of
from cl_bench.strategies import GVCL, VCL
from cl_bench.testing import CHECKS, Subject, examine

CNN = ["model=cnn", "model.channels=[4,4]", "model.hidden=8"]
WHOLE = [*CNN, "strategy.conv_sampling=whole"]
BY_NAME = {check.name: check for check in CHECKS}


# these change the network or start another process, and know perceptrons
OF_PERCEPTRONS = {
    "frozen_weights_stay",
    "objects_share_no_state",
    "another_process_gives_the_same_bits",
    "measurements_are_made_in_evaluation_mode",
    "every_step_is_taken_in_train_mode",
}


def test_it_passes_the_kit_with_whole_weights():
    asked = [check for check in CHECKS if check.name not in OF_PERCEPTRONS]
    results = list(examine(Subject("vcl", WHOLE), asked))
    failures = [str(result) for result in results if result.outcome == FAIL]
    assert not failures, "\n".join(failures)
    passed = {result.check.name for result in results if result.outcome == PASS}
    assert passed >= {
        "stacked_seeds_are_those_alone_or_refused",
        "it_goes_on_bit_for_bit",
        "the_gradient_is_that_of_loss_and_penalty",
        "the_posterior_is_the_next_prior",
        "heads_of_other_tasks_stand_still",
    }
    assert {check.name for check in CHECKS} >= OF_PERCEPTRONS


@pytest.mark.parametrize("frozen", [[], ["model.frozen=['*.bias']"]])
def test_stacked_seeds_with_whole_weights_are_those_alone(frozen):
    check = BY_NAME["stacked_seeds_are_those_alone_or_refused"]
    result = result_of(check, Subject("gvcl", [*WHOLE, *frozen]))
    assert result.outcome == PASS, result


def test_a_step_draws_what_it_says(lab):
    shapes = {}
    for sampling in ("local", "whole"):
        run = lab.from_conf(
            "strategy=vcl", *CNN, "benchmark=split_digits", f"strategy.conv_sampling={sampling}"
        )
        noise, drawn = run.strategy.noise, []
        draw = noise.normal_like
        noise.normal_like = lambda like, draw=draw, drawn=drawn: drawn.append(like.shape) or draw(like)
        run.strategy.network.train()
        run.strategy.network(torch.zeros(5, *run.stream.input_shape), 0)
        shapes[sampling] = drawn
    weights = [torch.Size([4, 1, 3, 3]), torch.Size([4, 4, 3, 3])]
    assert set(weights) <= set(shapes["whole"])
    assert not set(weights) & set(shapes["local"])
    assert torch.Size([5, 8]) in shapes["whole"], "the dense layer draws its outputs in both"


@pytest.mark.parametrize(("name", "kind"), [("vcl", VCL), ("gvcl", GVCL)])
def test_whoever_does_not_give_it_has_what_was_before(name, kind):
    settings = plain(compose([f"strategy={name}"]))["strategy"]
    default = inspect.signature(VCL).parameters["conv_sampling"].default
    assert settings["conv_sampling"] == settings["_later_"]["conv_sampling"] == default == "local"
    assert issubclass(kind, VCL)


def test_another_sampling_is_refused(lab):
    with pytest.raises(ValueError, match=r"conv_sampling must be .*local.*whole.*'place'"):
        lab.from_conf("strategy=vcl", "strategy.conv_sampling=place")
