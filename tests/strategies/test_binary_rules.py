"""Synaptic metaplasticity, Bop and AdaSTE against their updates written out over a tiny network."""

import math
from functools import partial

import pytest
import torch

from cl_bench.strategies import AdaSTE, Bop, StraightThrough, SynapticMetaplasticity

CPU = torch.device("cpu")
ADASTE = {"a": 0.05, "initial_b": 0.5, "final_b": 40.0, "small_gradient": 1e-3}


@pytest.fixture
def network(lab):
    return partial(lab.small_network, weights="binary")


@pytest.fixture
def make(lab, network):
    def make(cls, num_heads=1, **changes):
        method = {key: changes.pop(key) for key in ("meta", "threshold", *ADASTE) if key in changes}
        return cls(model=network(num_heads=num_heads), **method, **lab.settings(**changes))

    return make


@pytest.fixture
def batches(lab):
    def batches(strategy, tasks):
        """Images and labels as the strategy will see them, task by task: two epochs, batches of 4."""
        order = lab.clone(strategy.batch_order)
        for task in tasks:
            images = task.images(CPU)
            yield [
                (images[positions], task.labels[positions])
                for _ in range(2)
                for positions in torch.randperm(12, generator=order).split(4)
            ]

    return batches


def start(network):
    return torch.cat([part.detach().reshape(-1) for part in network.parameters()])


def sign(latent):
    return torch.where(latent >= 0, 1.0, -1.0)


class Adam:
    """Adam's change of weights, written out."""

    def __init__(self, step_size):
        self.step_size, self.steps, self.first, self.second = step_size, 0, 0.0, 0.0

    def __call__(self, gradient):
        self.steps += 1
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        first = self.first / (1 - 0.9**self.steps)
        second = self.second / (1 - 0.999**self.steps)
        return -self.step_size * first / (second.sqrt() + 1e-8)


@pytest.mark.usefixtures("double_precision")
def test_synaptic_metaplasticity_is_adam_with_weights_that_resist(lab, make, network, batches):
    tasks, reference = lab.tasks(2), network()
    strategy = make(SynapticMetaplasticity, meta=1.35, learning_rate=0.2)
    latent = start(network())
    for task in batches(strategy, tasks):
        adam = Adam(0.2)
        for images, labels in task:
            change = adam(lab.gradient_at(reference, sign(latent), images, labels))
            resists = sign(latent) * change < 0
            latent = latent + change * torch.where(resists, 1 - torch.tanh(1.35 * latent.abs()) ** 2, 1.0)
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    torch.testing.assert_close(strategy.latent.data, latent, rtol=1e-9, atol=1e-9)
    assert latent.abs().max() > 1, "nothing is clipped"
    assert torch.equal(strategy.flat.values.data, sign(latent))


@pytest.mark.usefixtures("double_precision")
def test_without_meta_it_is_straight_through_while_that_clips_nothing(lab, make):
    """To float rounding: torch's fused Adam may round latent + change once where we round twice."""
    stream = lab.benchmark(lab.tasks(2)).train_stream
    bare, plain = make(SynapticMetaplasticity, meta=0.0), make(StraightThrough)
    held = make(SynapticMetaplasticity, meta=10.0)
    for strategy in (bare, plain, held):
        strategy.train(stream, eval_streams=[])
    assert plain.latent.data.abs().max() < 1
    torch.testing.assert_close(bare.latent.data, plain.latent.data, rtol=1e-9, atol=1e-9)
    assert torch.equal(bare.flat.values.data, plain.flat.values.data)
    assert (held.latent.data - plain.latent.data).abs().max() > 1e-3


@pytest.mark.usefixtures("double_precision")
def test_bop_is_its_update_written_out(lab, make, network, batches):
    tasks, reference = lab.tasks(2), network()
    strategy = make(Bop, threshold=2e-3, learning_rate=0.1)
    weights = sign(start(network()))
    momentum, flips = torch.zeros_like(weights), 0
    for task in batches(strategy, tasks):
        for images, labels in task:
            gradient = lab.gradient_at(reference, weights, images, labels)
            momentum = 0.9 * momentum + 0.1 * gradient
            flip = (momentum.abs() >= 2e-3) & (momentum.sign() == weights.sign())
            weights = torch.where(flip, -weights, weights)
            flips += int(flip.sum())
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    assert torch.equal(strategy.flat.values.data, weights)
    torch.testing.assert_close(strategy.flips.momentum, momentum, rtol=1e-9, atol=1e-9)
    assert flips > 5


def test_bop_s_rate_of_an_average_is_at_most_one(make):
    with pytest.raises(ValueError, match=r"learning_rate must be at most 1 .* got learning_rate=1.5"):
        make(Bop, threshold=0.1, learning_rate=1.5)


@pytest.mark.usefixtures("double_precision")
def test_adaste_is_its_update_written_out(lab, make, network, batches):
    """b grows from 0.5 to 40 in the 6 steps of each task: the last two are fully binary, a b >= 1."""
    tasks, reference = lab.tasks(2), network()
    strategy = make(AdaSTE, **ADASTE, learning_rate=0.2)
    latent, binary = start(network()), []
    for task in batches(strategy, tasks):
        adam = Adam(0.2)
        for step, (images, labels) in enumerate(task):
            b = math.exp(math.log(0.5) + step / 5 * math.log(40 / 0.5))
            weight = ((latent + b * 1.05 * sign(latent)) / (1 + b)).clamp(-1, 1)
            binary.append(bool((weight.abs() == 1).all()))
            g = lab.gradient_at(reference, weight, images, labels)
            same, size = (latent * g > 0) & (g.abs() > 1e-3), latent.abs()
            opposite = (latent * g < 0) & (g.abs() > 1e-3)
            if 0.05 * b >= 1:
                factor = torch.where(same, (1 / size).clamp(0, 0.5), 1.0)
                factor[opposite] = 0
            else:
                outer = size > 1 - 0.05 * b
                near = ((2 * b * 1.05 - latent) / ((1 + b) * size)).clamp(0, 0.5)
                far = ((1 + 2 * b + 0.05 * b) / ((1 + b) * size)).clamp(0, 0.5)
                factor = torch.where(same, torch.where(outer, far, near), 1 / (1 + b))
                factor[opposite & outer] = 0
            latent = latent + adam(g * factor)
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    torch.testing.assert_close(strategy.latent.data, latent, rtol=1e-9, atol=1e-9)
    assert binary[-1]
    assert not binary[0]
    assert torch.equal(strategy.flat.values.data, sign(latent)), "signs are tested"


@pytest.mark.parametrize(
    ("cls", "settings"),
    [(SynapticMetaplasticity, {"meta": 1.0}), (Bop, {"threshold": 1e-4}), (AdaSTE, ADASTE)],
)
def test_all_that_is_kept_of_other_heads_stands_still(lab, make, cls, settings):
    strategy = make(cls, num_heads=3, learning_rate=0.1, **settings)
    for head, experience in enumerate(lab.benchmark(lab.tasks(3, heads=True)).train_stream):
        others = strategy.flat.mask(strategy.other_heads(head)) == 0
        before = {name: part.clone() for name, part in strategy.state_tensors().items()}
        weights = strategy.flat.values.data.clone()
        strategy.train(experience, eval_streams=[])
        for name, part in strategy.state_tensors().items():
            assert torch.equal(part[others], before[name][others])
            assert not torch.equal(part[~others], before[name][~others])
        assert torch.equal(strategy.flat.values.data[others], weights[others])
