"""Random tensors of several seeds at once are those of each seed alone."""

import pytest
import torch

from cl_bench.learner.noise import Noise
from cl_bench.learner.seeds import Seeds

DRAWS = {"uniform": Noise.uniform_like, "normal": Noise.normal_like}


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.fixture(params=DRAWS)
def draw(request):
    """noise, tensor -> random numbers."""
    return DRAWS[request.param]


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (40, 33)])
def test_a_row_of_stacked_noise_is_what_its_generator_draws_alone(draw, shape):
    stacked = Noise(generators(7, 3, 7), stacked=True)
    alone = [Noise(generators(seed)) for seed in (7, 3, 7)]
    for _ in range(3):
        rows = draw(stacked, torch.zeros(3, *shape))
        expected = [draw(noise, torch.zeros(shape)) for noise in alone]
        assert rows.equal(torch.stack(expected))
        assert rows[0].equal(rows[2])
        assert not rows[0].equal(rows[1])


def test_a_single_noise_draws_as_torch_does_with_its_generator():
    noise = Noise(generators(5))
    (twin,) = generators(5)
    assert noise.uniform_like(torch.zeros(2, 3)).equal(torch.rand(2, 3, generator=twin))
    assert noise.normal_like(torch.zeros(4)).equal(torch.randn(4, generator=twin))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("stacked", [False, True])
def test_draws_have_the_kind_of_the_tensor_and_leave_it_and_the_global_generator(draw, dtype, stacked):
    noise = Noise(generators(0, 1) if stacked else generators(0), stacked=stacked)
    like = torch.full((2, 3), 9, dtype=dtype)
    before = torch.get_rng_state()
    drawn = draw(noise, like)
    assert (drawn.dtype, drawn.device, drawn.shape) == (dtype, like.device, like.shape)
    assert like.equal(torch.full((2, 3), 9, dtype=dtype))
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize("stacked", [False, True])
def test_restored_noise_draws_the_same_again(draw, stacked):
    noise = Noise(generators(0, 1) if stacked else generators(0), stacked=stacked)
    like = torch.zeros(2, 3)
    draw(noise, like)
    state = noise.state()
    first, second = draw(noise, like), draw(noise, like)
    noise.restore(state)
    assert draw(noise, like).equal(first)
    assert draw(noise, like).equal(second)
    assert not first.equal(second)
    assert len(state) == len(noise.generators)


def test_a_state_is_restored_for_all_seeds_or_for_none():
    noise = Noise(generators(0, 1), stacked=True)
    with pytest.raises(ValueError, match="zip"):
        noise.restore(noise.state()[:1])


def test_one_stacked_seed_has_a_seed_axis():
    noise = Noise(generators(4), stacked=True)
    assert noise.normal_like(torch.zeros(1, 6))[0].equal(Noise(generators(4)).normal_like(torch.zeros(6)))
    with pytest.raises(ValueError, match=r"cannot fill a tensor of shape \(6,\): .* of length 1"):
        noise.normal_like(torch.zeros(6))


@pytest.mark.parametrize("shape", [(3, 4), (1, 2), (0, 2)])
def test_a_first_axis_that_is_not_the_seeds_is_an_error(draw, shape):
    noise = Noise(generators(0, 1), stacked=True)
    with pytest.raises(ValueError, match=r"each of 2 seeds cannot fill .* first axis is the seed's"):
        draw(noise, torch.zeros(shape))


def test_several_generators_without_a_seed_axis_are_an_error():
    for number in (0, 2):
        with pytest.raises(ValueError, match=f"without a seed axis cannot come from {number} generators"):
            Noise(generators(*range(number)))


def test_seeds_draw_independently_of_their_neighbours():
    purpose = [Seeds(seed).generator("noise") for seed in (0, 1)]
    others = [Seeds(seed).generator("noise") for seed in (1, 5, 6)]
    like = torch.zeros(4)
    pair = Noise(purpose, stacked=True).normal_like(like.expand(2, 4))
    three = Noise(others, stacked=True).normal_like(like.expand(3, 4))
    assert pair[1].equal(three[0])
