"""What accuracy costs: the methods that no other one beats in both."""

import numpy as np
import pandas as pd

COSTS = ("stored_bits", "training_seconds")


def pareto(summary: pd.DataFrame, cost: str, *, gain: str = "average_accuracy") -> pd.DataFrame:
    """The methods whose gain and cost are known, the cheapest first, and whether they are on the front.

    A method is on the Pareto front when no other costs at most as much and gains at least as much, one of
    them strictly; of means, whatever their intervals. `summary` is one benchmark's rows of
    `analysis.summary`.

    Columns: study, benchmark, method, cost_mean, cost_low, cost_high, gain_mean, gain_low, gain_high, front.
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
