"""The prediction of an ensemble by hand."""

import math

import pytest
import torch
from torch.distributions import Categorical

from cl_bench.posteriors.prediction import average_prediction, log_probabilities


@pytest.mark.parametrize("shape", [(1, 2), (5, 10), (300, 3)])
def test_log_probabilities_are_torchs(shape):
    logits = 5 * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(log_probabilities(logits), logits.log_softmax(dim=1), rtol=1e-14, atol=1e-14)
    assert log_probabilities(logits.float()).shape == shape


def test_probabilities_are_averaged_and_not_logits():
    # probabilities (3/4, 1/4) and (1/5, 4/5): their mean is (0.475, 0.525)
    logits = torch.tensor([[[3.0, 1.0]], [[1.0, 4.0]]]).log() + torch.tensor([[[5.0]], [[-2.0]]])
    expected = torch.tensor([[0.475, 0.525]])
    found = average_prediction(logits)
    torch.testing.assert_close(found.log_probabilities.exp(), expected)
    entropies = [-(a * math.log(a) + (1 - a) * math.log(1 - a)) for a in (3 / 4, 1 / 5)]
    assert found.expected_entropy.tolist() == pytest.approx([sum(entropies) / 2])


def test_a_prediction_stays_finite_where_every_sample_excludes_a_class():
    logits = torch.tensor([[[0.0, -200.0]], [[0.0, -300.0]]])
    found, expected_entropy, _ = average_prediction(logits)
    assert expected_entropy.tolist() == [pytest.approx(0, abs=1e-6)]
    torch.testing.assert_close(found, torch.tensor([[0.0, -200 - torch.tensor(2.0).log()]]))


def test_probabilities_too_small_for_any_float_have_the_largest_ones_logarithm():
    logits = torch.tensor([[[0.0, -2000.0]], [[0.0, -3000.0]]])
    found, *_ = average_prediction(logits)
    torch.testing.assert_close(found, torch.tensor([[0.0, -2000 - math.log(2)]]))


def test_a_sample_that_is_no_number_makes_the_prediction_none():
    found, expected_entropy, _ = average_prediction(torch.tensor([[[0.0, 1.0]], [[math.nan, 0.0]]]))
    assert found.isnan().all()
    assert expected_entropy.isnan().all()


def test_samples_are_taken_one_at_a_time_and_one_alone_is_itself():
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    alone = average_prediction(iter([logits]))
    assert torch.equal(alone.log_probabilities, log_probabilities(logits))
    assert alone.num_samples == 1
    torch.testing.assert_close(alone.expected_entropy.float(), Categorical(logits=logits).entropy())
    many = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    expected = many.softmax(dim=-1).mean(dim=0).log()
    together = average_prediction(sample for sample in many)
    torch.testing.assert_close(together.log_probabilities, expected)
    assert together.num_samples == 7
    torch.testing.assert_close(together.expected_entropy, Categorical(logits=many).entropy().mean(dim=0))


def test_an_average_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="an average needs at least one sample, got none"):
        average_prediction([])
