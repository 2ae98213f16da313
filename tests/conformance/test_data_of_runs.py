"""What the kit sees of data and inputs."""

import broken_data
import pytest

from cl_bench.conformance.check import FAIL, PASS, result_of
from cl_bench.conformance.inputs import inputs_are_images_of_the_stream
from cl_bench.conformance.shared import WHOLE
from cl_bench.conformance.subject import SPLIT
from cl_bench.testing import Subject

CONVOLUTIONAL = ("model=cnn", "model.channels=[4,4]", "model.hidden=8")


def target(cls: type) -> str:
    return f"strategy._target_={cls.__module__}.{cls.__name__}"


def test_what_a_run_writes_into_the_data_is_gone_with_it():
    before = Subject("finetune").outcome(*SPLIT)
    Subject("finetune", [target(broken_data.CentresSharedImagesInPlace)]).run(*WHOLE).train()
    Subject("finetune", [target(broken_data.PairsClassesInPlace)]).run(*WHOLE).train()
    after = Subject("finetune").outcome(*SPLIT)
    assert (before.weights, before.records) == (after.weights, after.records)


@pytest.mark.parametrize(
    ("settings", "outcome"), [((), PASS), ((target(broken_data.MeasuresOnBytes),), FAIL)], ids=str
)
def test_inputs_are_seen_through_torch_s_transforms(settings, outcome):
    """A network that is not dense is measured image by image, under vmap and grad."""
    result = result_of(inputs_are_images_of_the_stream, Subject("ewc", [*settings, *CONVOLUTIONAL]))
    assert result.outcome == outcome, result
    if outcome == FAIL:
        assert "an image of task 1 that is not scaled" in result.seen


def test_an_image_that_is_moved_or_from_a_later_task_is_named():
    result = result_of(
        inputs_are_images_of_the_stream, Subject("replay", [target(broken_data.ForgetsThePermutation)])
    )
    assert "the first: an image of task 1 without the task's view" in result.seen
