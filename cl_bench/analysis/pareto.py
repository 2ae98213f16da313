"""What accuracy costs: the methods that no other one beats in both."""

import numpy as np
import pandas as pd

from cl_bench.analysis.registry import Metric, metric_of, registered
from cl_bench.records.errors import AnalysisError

COSTS = ("stored_bits", "training_seconds")  # those that are drawn where none is named


def cost_of(name: str) -> Metric:
    """Return the metric of this name, if it is a cost of a run.

    Raises:
        AnalysisError: for a name that is none; it lists the costs.

    >>> cost_of("gradient_evaluations").title
    'gradients'
    """
    costs = [each.name for each in registered() if each.group == "cost" and each.better == "lower"]
    if name not in costs:
        raise AnalysisError(f"a cost is one of {', '.join(costs)}, got {name!r}")
    return metric_of(name)


def pareto(summary: pd.DataFrame, cost: str, *, gain: str = "average_accuracy") -> pd.DataFrame:
    """The methods by cost and gain, and whether they are on the Pareto front: the cheapest first.

    A method is on the front when no other costs at most as much and gains at least as much, one of them
    strictly; of means, whatever their intervals. Methods whose cost or gain is not known are left out.

    Columns: study, benchmark, method, cost_mean, cost_low, cost_high, gain_mean, gain_low, gain_high, front.

    Args:
        summary: one benchmark's rows of `summary`.

    >>> table = pd.DataFrame({"method": ["ewc", "vcl", "si"]})
    >>> table = table.assign(study="few", benchmark="digits")
    >>> table = table.assign(bits_mean=[2, 4, 3], bits_low=0, bits_high=9)
    >>> table = table.assign(gain_mean=[0.8, 0.9, 0.7], gain_low=0, gain_high=1)
    >>> found = pareto(table, "bits", gain="gain")
    >>> found[["method", "cost_mean", "gain_mean", "front"]]  # ewc beats si in both
      method  cost_mean  gain_mean  front
    0    ewc          2        0.8   True
    1     si          3        0.7  False
    2    vcl          4        0.9   True
    """
    rows = summary[np.isfinite(summary[f"{cost}_mean"]) & np.isfinite(summary[f"{gain}_mean"])]
    table = rows[["study", "benchmark", "method"]].copy()
    for name, metric in (("cost", cost), ("gain", gain)):
        for part in ("mean", "low", "high"):
            table[f"{name}_{part}"] = rows[f"{metric}_{part}"]
    costs, gains = table["cost_mean"].to_numpy(), table["gain_mean"].to_numpy()
    as_good = (costs <= costs[:, None]) & (gains >= gains[:, None])  # [i, j]: j is as good as i in both
    better = as_good & ((costs < costs[:, None]) | (gains > gains[:, None]))
    table["front"] = ~better.any(axis=1)
    order = ["cost_mean", "gain_mean"]
    return table.sort_values(order, ascending=[True, False], kind="stable", ignore_index=True)
