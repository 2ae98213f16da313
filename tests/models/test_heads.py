import pytest
import torch
from torch.nn import functional as F

from cl_bench.models import Heads
from cl_bench.models.heads import LOGIT_GAIN, BatchNormPerHead, normalise_heads


def make_heads(
    normalisation: str, *, num_classes: int = 3, num_heads: int = 4, weights: str = "binary"
) -> Heads:
    after = normalise_heads(
        6, num_classes=num_classes, num_heads=num_heads, normalisation=normalisation, weights=weights
    )
    return Heads(6, num_classes, num_heads, weights == "real", after)


def train_statistics(heads: Heads) -> None:
    """Show each head data of its own, so that their statistics differ."""
    for task in range(heads.num_heads):
        heads(torch.randn(16, heads.in_features) * (task + 1) + task, task)


def test_a_task_and_a_tensor_of_tasks_choose_the_same_head(normalisation, weights):
    heads = make_heads(normalisation, weights=weights)
    train_statistics(heads)
    features, tasks = torch.randn(12, 6), torch.arange(4).repeat(3)
    heads.eval()
    one_by_one = torch.stack([heads(features, int(task))[row] for row, task in enumerate(tasks)])
    torch.testing.assert_close(heads(features, tasks), one_by_one)


def test_batch_norm_of_mixed_tasks_trains_each_head_on_its_own_examples():
    mixed, apart = make_heads("batch"), make_heads("batch")
    apart.load_state_dict(mixed.state_dict())
    features, tasks = torch.randn(12, 6), torch.arange(12) % 3
    logits = mixed(features, tasks)
    for task in range(3):
        torch.testing.assert_close(logits[tasks == task], apart(features[tasks == task], task))
    for name, value in mixed.state_dict().items():
        torch.testing.assert_close(value, apart.state_dict()[name])


def test_batch_norm_of_one_head_leaves_the_statistics_of_others():
    heads = make_heads("batch")
    before = {name: value.clone() for name, value in heads.state_dict().items()}
    heads(torch.randn(8, 6), 1)
    changed = {name for name, value in heads.state_dict().items() if not torch.equal(value, before[name])}
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert changed == {f"normalisation.heads.1.{name}" for name in statistics}


def test_binary_batch_norm_has_the_numbers_of_bayesbinn():
    after = make_heads("batch").normalisation
    assert isinstance(after, BatchNormPerHead)
    assert all((norm.eps, norm.momentum, norm.affine) == (1e-4, 0.15, False) for norm in after.heads)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_other_heads_get_no_gradient(normalisation, weights, as_tensor):
    heads = make_heads(normalisation, weights=weights)
    task = torch.full((8,), 2) if as_tensor else 2
    F.cross_entropy(heads(torch.randn(8, 6), task), torch.arange(8) % 3).backward()
    for parameter in heads.linear.parameters():
        own = parameter.grad[heads.rows(2)].clone()
        assert own.abs().sum() > 0
        torch.testing.assert_close(own.abs().sum(), parameter.grad.abs().sum())


def test_rows_are_those_that_make_the_logits():
    heads = make_heads("none", weights="real")
    features, rows = torch.randn(5, 6), heads.rows(3)
    expected = F.linear(features, heads.linear.weight[rows], heads.linear.bias[rows])
    torch.testing.assert_close(heads(features, 3), expected)


def test_the_linear_layer_may_be_replaced():
    heads = make_heads("none", weights="real")
    heads.linear = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 12))
    features = torch.randn(5, 6)
    torch.testing.assert_close(heads(features, 1), heads.linear(features)[:, 3:6])


def test_one_head_ignores_the_task(normalisation, weights):
    heads = make_heads(normalisation, weights=weights, num_heads=1).eval()
    features = torch.randn(5, 6)
    for task in (7, torch.full((5,), 7)):
        torch.testing.assert_close(heads(features, task), heads(features, 0))
    assert heads.rows(7) == slice(0, 3)


def test_real_heads_are_not_normalised(normalisation):
    assert make_heads(normalisation, weights="real").normalisation is None


@pytest.mark.parametrize("normalisation", ["layer", "group"])
def test_two_binary_outputs_keep_their_gradient_under_layer_norm(normalisation):
    heads = make_heads(normalisation, num_classes=2)
    F.cross_entropy(heads(torch.randn(8, 6), 0), torch.arange(8) % 2).backward()
    assert heads.linear.weight.grad.abs().max() > 1e-2


def test_layer_norm_of_binary_heads_makes_each_row_of_logits_standard_times_a_gain():
    logits = make_heads("layer")(100 * torch.randn(5, 6), 1)
    torch.testing.assert_close(logits.mean(1), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(logits.std(1, correction=0), torch.full((5,), LOGIT_GAIN), atol=1e-3, rtol=0)


@pytest.mark.parametrize("normalisation", ["batch", "layer", "group", "none"])
@pytest.mark.parametrize("num_classes", [2, 3, 10, 100])
def test_binary_heads_allow_a_confident_prediction(normalisation, num_classes):
    """Weights that all agree with one class, and features that all agree with the weights."""
    heads = make_heads(normalisation, num_classes=num_classes).eval()
    with torch.no_grad():
        heads.linear.weight.fill_(-1.0)
        heads.linear.weight[heads.rows(0)][0] = 1.0
    features = torch.full((1, heads.in_features), 10.0)
    assert heads(features, 0).softmax(dim=1)[0, 0] > 0.99


@pytest.mark.parametrize("task", [-1, 4])
def test_a_task_without_a_head_is_refused(task):
    with pytest.raises(ValueError, match=f"task must be at least 0 and below num_heads=4, got {task=}"):
        make_heads("none")(torch.randn(2, 6), task)


def test_a_tensor_must_hold_a_task_for_each_example():
    with pytest.raises(ValueError, match=r"one index for each example, got task.shape=torch.Size\(\[3\]\)"):
        make_heads("none")(torch.randn(2, 6), torch.zeros(3, dtype=torch.long))


def test_heads_need_features():
    with pytest.raises(ValueError, match="in_features must be positive, got in_features=0"):
        Heads(0, 2, 1, bias=True)


@pytest.mark.parametrize("normalisation", ["none", "layer", "batch"])
def test_several_heads_are_those_heads_side_by_side(build, normalisation):
    network = build(normalisation=normalisation, weights="binary").eval()
    images = torch.rand(3, 3, 8, 8)
    expected = torch.cat([network(images, 1), network(images, 0)], dim=1)
    assert torch.equal(network(images, (1, 0)), expected)
