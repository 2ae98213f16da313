"""Scores of predictions, worked by hand and by going through all pairs."""

import math
from itertools import product

import pytest
import torch
from torch.distributions import Categorical

from cl_bench.posteriors import uncertainty
from cl_bench.posteriors.uncertainty import auroc, brier, confidence_bins, expected_calibration_error


def random(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_entropy_is_torchs_and_that_of_equal_classes_is_log_k():
    logits = 3 * random(5, 7)
    log_p = logits.log_softmax(dim=1)
    torch.testing.assert_close(uncertainty.entropy(log_p), Categorical(logits=logits).entropy())
    torch.testing.assert_close(uncertainty.entropy(log_p, log_p.exp()), uncertainty.entropy(log_p))
    even = torch.zeros(1, 8, dtype=torch.float64).log_softmax(dim=1)
    torch.testing.assert_close(uncertainty.entropy(even), torch.tensor([math.log(8)], dtype=torch.float64))


def test_the_entropy_of_a_certain_prediction_is_zero_and_of_nan_is_nan():
    log_p = torch.tensor([[0.0, -math.inf], [math.nan, math.nan]])
    found = uncertainty.entropy(log_p)
    assert found[0] == 0
    assert found[1].isnan()


def test_the_mutual_information_of_samples_that_agree_is_zero_and_never_negative():
    entropy = torch.tensor([0.5, 0.5])
    found = uncertainty.mutual_information(entropy, torch.tensor([0.5, 0.5 + 1e-7]), num_samples=3)
    assert found.tolist() == [0.0, 0.0]


def test_one_sample_tells_no_mutual_information():
    assert uncertainty.mutual_information(random(3), random(3), num_samples=1).isnan().all()


def test_the_mutual_information_of_few_samples_is_that_of_many():
    """Logits are Gaussian around one mean. Sets of S samples have on average what 200,000 have; without the
    factor they are too low by 1 / S of it.
    """
    centre = torch.tensor([1.0, 0.0, -0.5, 0.2], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)

    def information(num_samples, num_sets):
        noise = torch.randn(num_sets, num_samples, 4, generator=generator, dtype=torch.float64)
        log_p = (centre + noise).log_softmax(dim=-1)
        mean_entropy = uncertainty.entropy(log_p.exp().mean(dim=1).log())
        expected = uncertainty.entropy(log_p).mean(dim=1)
        found = uncertainty.mutual_information(mean_entropy, expected, num_samples=num_samples)
        return float(found.mean()), float((mean_entropy - expected).mean())

    many, _ = information(200_000, 1)
    assert many > 0.05
    for number in (2, 5, 20):
        found, uncorrected = information(number, 400_000 // number)
        assert found == pytest.approx(many, rel=0.06), number
        assert uncorrected == pytest.approx(many * (1 - 1 / number), rel=0.06), number


def test_the_mutual_information_is_the_one_of_the_joint_table_of_sample_and_class():
    """I(s; y) = sum over s and y of p(s, y) log (p(s, y) / (p(s) p(y))), with equally likely samples.

    That is of these samples. For samples drawn from a posterior it is 4/3 of it.
    """
    samples = (2 * random(4, 3)).softmax(dim=1)
    mean = samples.mean(dim=0)
    by_table = sum(
        p / 4 * math.log(p / q) for row in samples.tolist() for p, q in zip(row, mean.tolist(), strict=True)
    )
    found = uncertainty.mutual_information(
        uncertainty.entropy(mean.log()), uncertainty.entropy(samples.log()).mean(dim=0), num_samples=4
    )
    assert float(found) == pytest.approx(4 / 3 * by_table, rel=1e-12)


def test_the_brier_score_is_the_squared_distance_to_the_label():
    probabilities = random(6, 4).softmax(dim=1)
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    expected = (probabilities - torch.nn.functional.one_hot(labels, 4)).square().sum(dim=1)
    torch.testing.assert_close(brier(probabilities, labels), expected)
    sure = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert brier(sure, torch.tensor([0, 1])).tolist() == [0.0, 2.0]


def test_a_confidence_on_a_border_belongs_to_the_bin_below_it():
    confidence = torch.tensor([0.0, 0.25, 0.26, 0.5, 0.75, 0.76, 1.0], dtype=torch.float64)
    bins = confidence_bins(confidence, torch.tensor([1.0, 0, 1, 1, 0, 0, 1]), num_bins=4)
    assert bins.num_examples.tolist() == [2, 2, 1, 2]
    assert bins.confidence.tolist() == [0.25, 0.76, 0.75, 1.76]
    assert bins.correct.tolist() == [1, 2, 0, 1]


def test_the_calibration_error_by_hand():
    """Two bins: 2 examples of confidence 0.4 and accuracy 1/2; 4 of confidence 0.8, accuracy 1/2."""
    confidence = torch.tensor([0.3, 0.5, 0.8, 0.8, 0.9, 0.7], dtype=torch.float64)
    correct = torch.tensor([1.0, 0, 1, 1, 0, 0])
    error = expected_calibration_error(confidence_bins(confidence, correct, num_bins=2))
    assert float(error) == pytest.approx(2 / 6 * 0.1 + 4 / 6 * 0.3, rel=1e-12)


def test_the_calibration_error_equals_a_loop_over_examples_for_each_seed():
    confidence, correct = random(3, 200), (random(3, 200, seed=1) < 0.6).double()
    found = expected_calibration_error(confidence_bins(confidence, correct, num_bins=15))
    for seed in range(3):
        error = 0.0
        for number in range(1, 16):
            inside = [
                (float(p), float(right))
                for p, right in zip(confidence[seed], correct[seed], strict=True)
                if (number - 1) / 15 < p <= number / 15
            ]
            if inside:
                mean_p, accuracy = (sum(column) / len(inside) for column in zip(*inside, strict=True))
                error += len(inside) / 200 * abs(mean_p - accuracy)
        assert float(found[seed]) == pytest.approx(error, rel=1e-12)


def test_a_prediction_that_is_no_number_makes_the_error_nan():
    bins = confidence_bins(torch.tensor([0.5, math.nan]), torch.ones(2), num_bins=15)
    assert bins.num_examples.sum() == 2
    assert expected_calibration_error(bins).isnan()


def test_the_auroc_equals_the_share_of_pairs_in_the_right_order():
    # few different values: many ties
    positive, negative = (random(2, 30) * 6).floor(), (random(2, 20, seed=1) * 5).floor()
    for seed in range(2):
        right = sum(
            (a > b) + (a == b) / 2 for a, b in product(positive[seed].tolist(), negative[seed].tolist())
        )
        assert float(auroc(positive, negative)[seed]) == right / (30 * 20)


def test_the_auroc_of_apart_and_of_equal_scores():
    low, high = torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.4, 0.5])
    assert float(auroc(high, low)) == 1
    assert float(auroc(low, high)) == 0
    assert float(auroc(high, high)) == 0.5
