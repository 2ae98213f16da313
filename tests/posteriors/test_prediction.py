"""The prediction of an ensemble by hand."""

import torch

from cl_bench.posteriors.prediction import average_prediction


def test_probabilities_are_averaged_and_not_logits():
    # probabilities (3/4, 1/4) and (1/5, 4/5): their mean is (0.475, 0.525)
    logits = torch.tensor([[[3.0, 1.0]], [[1.0, 4.0]]]).log() + torch.tensor([[[5.0]], [[-2.0]]])
    expected = torch.tensor([[0.475, 0.525]])
    torch.testing.assert_close(average_prediction(logits).exp(), expected)


def test_a_prediction_stays_finite_where_every_sample_excludes_a_class():
    logits = torch.tensor([[[0.0, -200.0]], [[0.0, -300.0]]])
    found = average_prediction(logits)
    torch.testing.assert_close(found, torch.tensor([[0.0, -200 - torch.tensor(2.0).log()]]))
