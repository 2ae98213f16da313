"""A failure says which earlier failure may be behind it, and nothing is blamed on the wrong thing."""

import pytest
import torch
from broken_training import DividesByZero, DrawsFromNobodysSeed

from cl_bench.conformance.check import FAIL, PASS, result_of
from cl_bench.conformance.leakage import it_learns_from_no_test_image
from cl_bench.conformance.repeatability import losses_are_finite, the_same_seed_gives_the_same_bits
from cl_bench.strategies import Finetune
from cl_bench.testing import Subject, examine


def subject_of(cls: type, choice: str = "finetune") -> Subject:
    return Subject(choice, [f"strategy._target_={cls.__module__}.{cls.__name__}"])


@pytest.mark.parametrize(
    ("cls", "root"),
    [(DrawsFromNobodysSeed, the_same_seed_gives_the_same_bits), (DividesByZero, losses_are_finite)],
)
def test_what_follows_a_failure_at_the_root_names_it(cls, root):
    results = list(examine(subject_of(cls)))
    failed = [result for result in results if result.outcome == FAIL]
    assert failed[0].check is root
    assert len(failed) > 5
    assert [str(result) for result in failed[1:] if root not in result.perhaps_by] == []
    assert f"may be a consequence of: {root.question}" in str(failed[-1])


class WritesIntoTrainingImages(Finetune):
    def _before_training_exp(self, **kwargs):
        super()._before_training_exp(**kwargs)
        self.experience.task_data.shared.images.clamp_(max=100)


class WritesIntoImagesOfTheTest(Finetune):
    def _before_eval_exp(self, **kwargs):
        super()._before_eval_exp(**kwargs)
        self.experience.task_data.shared.images.clamp_(max=100)
        self.experience.task_data.labels.copy_(torch.zeros_like(self.experience.task_data.labels))


@pytest.mark.parametrize("cls", [WritesIntoTrainingImages, WritesIntoImagesOfTheTest])
def test_writing_in_place_is_not_said_to_be_learning_from_tests(cls):
    subject = subject_of(cls)
    assert result_of(the_same_seed_gives_the_same_bits, subject).outcome == PASS, "each run has its own data"
    assert result_of(it_learns_from_no_test_image, subject).outcome == PASS
