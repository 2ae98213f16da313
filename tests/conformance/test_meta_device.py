"""A device without numbers tells what would wait for it, and what is on the wrong side."""

import pytest
import torch

from cl_bench.conformance.meta_device import META, MetaSeeds, WaitsError, watched

HERE, HOST = {"device": META}, torch.ones(3)
SEEDS = MetaSeeds(0)
READS = {
    "item": lambda far: far.sum().item(),
    "float": lambda far: float(far[0]),
    "bool": lambda far: bool((far > 0).all()),
    "if": lambda far: 1 if far[0] > 0 else 2,
    "tolist": lambda far: far.tolist(),
    "cpu": lambda far: far.cpu(),
    "numpy": lambda far: far.numpy(),
    "print": lambda far: f"{far}",
    "format": lambda far: f"{far[0]:.3f}",
    "mask": lambda far: far[far > 0],
    "fill of several": lambda far: far.__setitem__(far > 0, torch.ones(3, **HERE)),
    "nonzero": lambda far: far.nonzero(),
    "masked_select": lambda far: far.masked_select(far > 0),
    "unique": lambda far: far.unique(),
    "equal": lambda far: torch.equal(far, far),
    "allclose": lambda far: torch.allclose(far, far),
    "bincount": lambda far: far.long().bincount(),
    "cholesky": lambda far: torch.linalg.cholesky(far.outer(far)),
}
WRONG_SIDE = {
    "sum": lambda far: far + HOST,
    "in place": lambda far: far.add_(HOST),
    "index on the host": lambda far: far[torch.tensor([0, 1])],
    "index_select": lambda far: far.index_select(0, torch.tensor([0])),
    "index on the device": lambda far: HOST[far.long()],
    "cat": lambda far: torch.cat([far, HOST]),
    "where": lambda far: torch.where(far > 0, far, HOST),
    "generator of the host": lambda far: torch.randn(3, generator=SEEDS.generator("noise"), **HERE),
    "generator of the device": lambda far: torch.randn(3, generator=SEEDS.generator("noise", META)),
    "generator of a method": lambda far: torch.bernoulli(far, generator=SEEDS.generator("noise")),
}
COPIES = {
    "to": lambda far: HOST.to(META),
    "copy": lambda far: far.copy_(HOST),
    "tensor": lambda far: torch.tensor([1.0, 2.0], **HERE),
    "list as index": lambda far: far[[0, 2]],
}
FINE = {
    "numbers": lambda far: far * 2 + torch.tensor(1.0),
    "positions": lambda far: far[torch.zeros(2, dtype=torch.int64, **HERE)],
    "fill": lambda far: far.__setitem__(far > 0, 1.0),
    "where": lambda far: torch.where(far > 0, far, 0.0),
    "generator": lambda far: torch.randn(3, generator=SEEDS.generator("noise", META), **HERE),
    "host": lambda far: HOST[HOST > 0].sum().item(),
    "copy without waiting": lambda far: HOST.to(META, non_blocking=True),
    "copy in place without waiting": lambda far: far.copy_(HOST, non_blocking=True),
    "shape": lambda far: len(far),
}


def far():
    return torch.ones(3, **HERE)


@pytest.mark.parametrize("what", [*READS.values(), *WRONG_SIDE.values()], ids=[*READS, *WRONG_SIDE])
@pytest.mark.parametrize("in_step", [True, False])
def test_what_reads_numbers_or_mixes_devices_raises_everywhere(what, in_step):
    tensor = far()
    with watched(lambda: in_step), pytest.raises(WaitsError):
        what(tensor)


@pytest.mark.parametrize("what", COPIES.values(), ids=COPIES)
def test_a_copy_that_waits_raises_in_a_step_alone(what):
    tensor = far()
    with watched(lambda: False):
        what(tensor)
    with watched(lambda: True), pytest.raises(WaitsError, match=r"copies .* from the host"):
        what(tensor)


@pytest.mark.parametrize("what", FINE.values(), ids=FINE)
def test_what_a_gpu_does_by_itself_does_not(what):
    tensor = far()
    with watched(lambda: True):
        what(tensor)


def test_backward_passes_and_their_hooks_are_watched_too():
    weight = torch.ones(3, requires_grad=True, **HERE)
    weight.register_hook(lambda gradient: gradient + HOST)
    with watched(lambda: True), pytest.raises(WaitsError):
        weight.sum().backward()


def test_generators_of_the_host_draw_what_they_draw_elsewhere():
    assert SEEDS.generator("batches").get_state().equal(MetaSeeds(0).generator("batches").get_state())
    assert SEEDS.generator("noise", "meta").device == META


def test_generators_that_somebody_makes_are_of_their_device():
    with watched(lambda: True):
        there, here = torch.Generator(device=META).manual_seed(1), torch.Generator().manual_seed(1)
        assert (there.device, here.device.type) == (META, "cpu")
        assert isinstance(there, torch.Generator)
        assert isinstance(here, torch.Generator)
        torch.randn(3, generator=there, **HERE)
        with pytest.raises(WaitsError, match="generator of the host"):
            torch.randn(3, generator=here, **HERE)
    assert torch.Generator().manual_seed(1).initial_seed() == 1
    assert type(torch.Generator()) is torch.Generator
