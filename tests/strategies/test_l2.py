"""The plain quadratic penalty: what is anchored, and where."""

import torch

from cl_bench.models import mlp
from cl_bench.strategies import L2


def test_trained_weights_count_alike_and_an_unused_head_is_free(lab):
    model = lab.seeded_model(
        mlp,
        input_shape=(1, 2, 2),
        num_classes=3,
        num_heads=3,
        hidden=[5],
        normalisation="none",
        weights="real",
    )
    strategy = L2(model=model, strength=2.0, **lab.settings())
    tasks = lab.tasks(3, heads=True)
    linear = strategy.network.heads.linear
    for used, experience in enumerate(lab.benchmark(tasks).train_stream, start=1):
        strategy.train(experience, eval_streams=[])
        precision = strategy.penalty.precision
        assert int(precision.sum()) == len(precision) - (3 - used) * 3 * 6
        assert set(precision.unique().tolist()) <= {0.0, 1.0}
        weight = precision[-linear.weight.numel() - 9 : -9].view(9, 5)
        assert torch.equal(weight[:, 0], (torch.arange(9) < 3 * used).float())
        assert torch.equal(strategy.penalty.centre, strategy.flat.values.data)
