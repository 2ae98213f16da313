"""The step sizes of uncertainty-guided learning."""

import math

import pytest
import torch

from cl_bench.posteriors import ucb


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_a_factor_is_a_power_of_the_ratio_of_deviations(power):
    deviations = [0.01, 0.2, 0.05, 1.5]
    log_variance = torch.tensor([2 * math.log(each) for each in deviations], dtype=torch.float64)
    found = ucb.rate_factors(log_variance, initial_log_variance=2 * math.log(0.05), power=power)
    assert found.tolist() == pytest.approx([(each / 0.05) ** power for each in deviations])
    if power == 0:
        assert (found == 1).all()
