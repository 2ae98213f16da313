"""Message passing: its steps are those of posteriors/message_passing.py, on networks that have messages."""

import pytest
import torch
from torch import nn

from cl_bench.evaluation.states import stored_bits
from cl_bench.learner.sign_layers import check_sign_layers
from cl_bench.models import Heads, Network
from cl_bench.models.activation import Sign
from cl_bench.posteriors import bernoulli, message_passing, sign_units
from cl_bench.posteriors.message_passing import Layer

NAME = "strategy=message_passing"
ONE_STEP = ("benchmark=permuted_digits", "benchmark.num_tasks=1", "training.iterations=1")
SPLIT = ("benchmark=split_digits", "benchmark.num_tasks=2")


def layers_of(vector, strategy):
    shapes = [each.shape for each in strategy.flat.parameters]
    parts = vector.split([shape.numel() for shape in shapes])
    return [Layer(part.view(shape)) for part, shape in zip(parts, shapes, strict=True)]


def watched_step(lab, *settings):
    """A run of one step, with its batch, its loss, and theta before it."""
    run = lab.from_conf(NAME, *ONE_STEP, *settings)
    strategy, seen = run.strategy, {}
    before = strategy.natural.clone()

    def look():
        seen.update(images=strategy.mb_x, labels=strategy.mb_y, loss=strategy.loss)

    strategy.after_step = look
    run.train(0)
    return strategy, before, seen


@pytest.mark.parametrize("form", message_passing.FORMS)
@pytest.mark.parametrize("num_iterations", [1, 2])
def test_a_step_makes_the_posterior_of_the_batch_the_prior_of_the_next(lab, form, num_iterations):
    """theta <- rho (theta + eta H), rho by layer; nothing is left out at eta = rho = 1, as published."""
    strategy, before, seen = watched_step(
        lab,
        f"strategy.form={form}",
        f"strategy.num_iterations={num_iterations}",
        "strategy.prior_power=1.01",
        "strategy.output_prior_power=0.9",
        "strategy.damping=0.25",
        "training.learning_rate=0.5",
    )
    layers, images = layers_of(before, strategy), seen["images"].flatten(1)
    messages = [message_passing.start(each, each.natural.tanh(), batch_size=len(images)) for each in layers]
    for _ in range(num_iterations):
        messages = message_passing.sweep(
            layers,
            messages,
            images,
            lambda total: sign_units.class_slope(total, seen["labels"]),
            form=form,
            damping=0.25,
        )
    expected = [
        power * (layer.natural + 0.5 * each.field)
        for layer, each, power in zip(layers, messages, (1.01, 0.9), strict=True)
    ]
    assert torch.allclose(strategy.natural, torch.cat([each.flatten() for each in expected]), atol=1e-6)
    assert torch.allclose(strategy.means, torch.cat([each.weights.flatten() for each in messages]))
    assert not torch.allclose(strategy.natural, before, atol=1e-2)


def test_the_loss_of_a_step_is_that_of_its_prediction_before_it(lab):
    strategy, before, seen = watched_step(lab)
    total = message_passing.output_sums(layers_of(before, strategy), seen["images"].flatten(1))
    expected = nn.functional.cross_entropy(sign_units.class_scores(total), seen["labels"])
    assert float(seen["loss"]) == pytest.approx(float(expected), rel=1e-5)


def test_the_network_has_the_most_probable_weights_and_a_prediction_has_all(lab):
    run = lab.from_conf(NAME, *SPLIT)
    run.train(0)
    strategy = run.strategy
    assert torch.equal(strategy.flat.values.data, bernoulli.mode(strategy.natural))
    images = torch.rand(5, 1, 8, 8)
    total = message_passing.output_sums(layers_of(strategy.natural, strategy), images.flatten(1))
    heads = strategy.output_heads
    for head in (0, 1):
        own = sign_units.Moments(*(each[:, heads.rows(head)] for each in total))
        expected = sign_units.class_scores(own).log_softmax(1)
        assert torch.allclose(strategy.predict(images, head), expected, atol=1e-6)
    both = strategy.predict(images, torch.tensor([0, 1, 1, 0, 1]))
    assert torch.allclose(both[1], strategy.predict(images, 1)[1])


def test_without_its_bayesian_prediction_the_most_probable_weights_are_tested(lab):
    run = lab.from_conf(NAME, *SPLIT, "strategy.bayesian_prediction=false")
    run.train(0)
    images = torch.rand(5, 1, 8, 8)
    with torch.no_grad():
        expected = run.strategy.network(images, 0).log_softmax(1)
        assert torch.allclose(run.strategy.predict(images, 0), expected)
    assert run.strategy.sampled_from() == ()


def test_a_class_that_is_not_there_yet_sends_nothing_and_has_no_probability(lab):
    run = lab.from_conf(NAME, *SPLIT, "benchmark.scenario=class", "training.active_classes=seen")
    strategy = run.strategy
    before = strategy.natural.clone()
    run.train(0)
    present = strategy.active_outputs()
    assert 0 < int(present.sum()) < len(present)
    outputs, started = (layers_of(each, strategy)[-1].natural for each in (strategy.natural, before))
    assert torch.equal(outputs[~present], started[~present])
    assert not torch.equal(outputs[present], started[present])
    chances = strategy.predict(torch.rand(5, 1, 8, 8), 0).exp()
    assert not chances[:, ~present].any()
    assert torch.allclose(chances.sum(1), torch.ones(5))


def test_an_example_of_each_head_sends_to_the_outputs_of_its_own(lab):
    """A task without sharp boundaries has batches of two heads."""
    run = lab.from_conf(NAME, "benchmark=permuted_digits", "benchmark.scenario=task", "benchmark.blur=0.5")
    found, heads = [], run.strategy.output_heads

    def look():
        strategy = run.strategy
        if isinstance(strategy.head, torch.Tensor):
            fields = layers_of(strategy.flat.gradients, strategy)[-1].natural
            used = set(strategy.head.tolist())
            found.append(used)
            for head in range(heads.num_heads):
                assert bool(fields[heads.rows(head)].any()) == (head in used)

    run.strategy.after_step = look
    run.train(0, 1)
    assert any(len(each) == 2 for each in found)


def test_without_damping_the_means_are_not_stored(lab):
    damped, plain = (
        lab.from_conf(NAME, *SPLIT, f"strategy.damping={alpha}").strategy for alpha in (0.8, 0.0)
    )
    assert stored_bits(damped) - stored_bits(plain) == 32 * plain.num_weights
    assert set(plain.state_tensors()) == {"natural"}


def test_the_first_fields_are_normal_of_the_scale_that_is_set(lab):
    wide, narrow = (
        lab.from_conf(NAME, *SPLIT, f"strategy.initial_scale={scale}").strategy.natural
        for scale in (2.0, 0.5)
    )
    assert torch.allclose(wide, 4 * narrow)
    assert float(narrow.std()) == pytest.approx(0.5, rel=0.1)


def test_it_learns_a_task_in_a_pass(lab):
    run = lab.from_conf(
        *(NAME, "benchmark=permuted_digits", "benchmark.num_tasks=1", "benchmark.validation_share=0.1"),
        *("training.epochs=2", "training.learning_rate=0.3", "training.batch_size=20", "model.hidden=[40]"),
    )
    records = [record for record in run.records() if record.after_task == 1]
    assert records[0].accuracy > 0.8


@pytest.mark.parametrize(
    "settings",
    [
        ("model.activation=relu",),
        ("model.normalisation=layer",),
        ("model.normalisation=batch",),
        ("model.dropout=0.1",),
        ("model=cnn", "model.normalisation=none", "model.activation=sign"),
    ],
)
def test_a_network_without_messages_is_refused_with_what_to_set(lab, settings):
    with pytest.raises(ValueError, match=r"set model=mlp model\.activation=sign model\.normalisation=none"):
        lab.from_conf(NAME, *settings, model="cnn" if "model=cnn" in settings else "mlp")


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([Sign(), nn.Linear(4, 3, bias=False), Sign()], "Sign"),
        ([nn.Linear(4, 3, bias=False)], "no sign units"),
        ([nn.Linear(4, 3, bias=False), Sign(), nn.Tanh()], "Tanh"),
        ([nn.Linear(4, 3), Sign()], "biases"),
    ],
)
def test_other_parts_of_a_body_are_not_passed_over(parts, found):
    heads = Heads(3, num_classes=2, num_heads=1, bias=False)
    with pytest.raises(ValueError, match=f"got .*{found}"):
        check_sign_layers(Network(nn.Sequential(nn.Flatten(), *parts), heads))


def test_a_network_of_somebody_s_own_is_refused():
    with pytest.raises(ValueError, match="got Sequential, of which nobody knows the layers"):
        check_sign_layers(nn.Sequential(nn.Flatten(), nn.Linear(16, 2, bias=False)))


def test_a_linear_network_is_one_layer(lab):
    run = lab.from_conf(NAME, *SPLIT, "model.hidden=[]")
    run.train(0)
    assert run.strategy.num_weights == 64 * 2 * run.strategy.output_heads.num_classes
