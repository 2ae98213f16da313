"""The kit has no false alarm: methods that are right in ways of their own pass every question."""

import pytest
from right_strategies import RIGHT, AveragedGEM, OrthogonalGradients

from cl_bench.conformance.check import FAIL, NOT_APPLICABLE, PASS, result_of
from cl_bench.testing import CHECKS, Subject, examine

(GRADIENT,) = [each for each in CHECKS if each.name == "the_gradient_is_that_of_loss_and_penalty"]


def subject_of(cls: type) -> Subject:
    return Subject(f"{cls.__module__}:{cls.__name__}", RIGHT[cls])


@pytest.mark.parametrize("cls", RIGHT, ids=lambda cls: cls.__name__)
def test_a_right_method_passes(cls):
    failures = [str(result) for result in examine(subject_of(cls)) if result.outcome == FAIL]
    assert not failures, "\n".join(failures)


def test_a_projection_in_its_place_leaves_the_question_of_the_gradient_open():
    assert result_of(GRADIENT, subject_of(AveragedGEM)).outcome == PASS


class ProjectsInSilence(OrthogonalGradients):
    claims = OrthogonalGradients.claims._replace(projects=False)


@pytest.mark.parametrize(
    ("cls", "outcome"), [(ProjectsInSilence, FAIL), (OrthogonalGradients, NOT_APPLICABLE)]
)
def test_a_projection_in_backward_fails_and_names_its_place_unless_it_is_claimed(cls, outcome):
    result = result_of(GRADIENT, Subject(f"{cls.__module__}:{cls.__name__}"))
    assert result.outcome == outcome, result
    assert ("`project_gradients`" in str(result)) == (outcome == FAIL)
