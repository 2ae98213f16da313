"""One seed for each purpose."""

import pytest
import torch

from cl_bench.learner.seeds import PURPOSES, Seeds, derive


def all_of(seeds):
    return {purpose: seeds[purpose] for purpose in PURPOSES}


def test_seed_0_is_a_seed():
    assert len({Seeds(seed)["init"] for seed in range(10)}) == 10
    own_zero = Seeds(5, {"batches": 0})
    assert own_zero["batches"] == Seeds(0)["batches"] != Seeds(5)["batches"]


def test_every_purpose_has_its_own_seed():
    assert len(set(all_of(Seeds(0)).values())) == len(PURPOSES) == 7


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_seed_of_its_own_for_one_purpose_leaves_the_others(purpose):
    common, own = all_of(Seeds(0)), all_of(Seeds(0, {purpose: 7}))
    assert {name for name in PURPOSES if common[name] != own[name]} == {purpose}
    assert own[purpose] == Seeds(7)[purpose]


def test_none_means_the_common_seed():
    assert all_of(Seeds(3, dict.fromkeys(PURPOSES))) == all_of(Seeds(3)) == all_of(Seeds(3, {}))


def test_seeds_never_change_between_versions():
    assert derive(0, "init") == 3330654677893223573
    assert derive(1, "noise") == 2441723549896619387


def test_a_derived_seed_fits_every_generator():
    for seed in (0, 1, 2**40):
        for purpose in PURPOSES:
            assert 0 <= derive(seed, purpose) < 2**63
            Seeds(seed).generator(purpose)


def test_each_generator_starts_anew():
    seeds = Seeds(0)
    first, second = (torch.rand(4, generator=seeds.generator("noise")) for _ in range(2))
    assert first.equal(second)
    assert not first.equal(torch.rand(4, generator=seeds.generator("test")))


def test_making_a_generator_leaves_the_global_one():
    before = torch.get_rng_state()
    torch.rand(1, generator=Seeds(0).generator("init"))
    assert torch.get_rng_state().equal(before)


def test_an_unknown_purpose_is_an_error_that_lists_the_purposes():
    known = "init, order, batches, augmentation, noise, test, probe"
    with pytest.raises(ValueError, match=f"seeds are for {known}, got 'batch'"):
        Seeds(0, {"batch": 1})


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True])
def test_a_seed_that_is_no_whole_number_is_an_error(seed):
    with pytest.raises(ValueError, match="a seed must be a whole number, at least 0, got seed="):
        Seeds(seed)
    with pytest.raises(ValueError, match="a seed must be a whole number, at least 0, got order="):
        Seeds(0, {"order": seed})
