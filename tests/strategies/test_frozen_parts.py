"""Frozen parts of a network, batch norm's statistics too, stay bit for bit in every strategy."""

from functools import partial

import pytest
import torch
from strategy_variants import AVALANCHES, DENSE, SUBJECTS, VARIANTS

from cl_bench.evaluation.states import stored_tensors
from cl_bench.models.frozen import stays_in_eval

NAMES = [name for name in SUBJECTS if name not in {*VARIANTS, *DENSE}]
NAMES += ["online_laplace_diagonal", "vcl_coreset"]
# which freeze all of the body
HEADS = ("bayesian_linear", "nearest_class_mean", "ranpac", "streaming_lda")
SETTINGS = (
    "benchmark=split_digits",
    "benchmark.num_tasks=2",
    "model.normalisation=batch",
    "training.epochs=1",
)


@pytest.mark.parametrize("name", NAMES)
def test_frozen_parts_stay_bit_for_bit_while_the_others_move(lab, name):
    strategy, *settings = SUBJECTS[name]
    run = lab.from_conf(*SETTINGS, f"strategy={strategy}", *settings, "model.frozen=['0','1']", model="cnn")
    network = run.strategy.model
    frozen = {
        f"{place}.{name}": each
        for place, part in network.named_modules()
        if stays_in_eval(part)
        for name, each in (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False))
    }
    assert any("running_mean" in name for name in frozen)
    before = {name: each.detach().clone() for name, each in frozen.items()}
    free = {name: each.detach().clone() for name, each in network.named_buffers() if name not in frozen}
    with lab.seeded():
        run.records()
    assert all(torch.equal(before[name], each) for name, each in frozen.items())
    after = dict(network.named_buffers())
    statistics = [each for each in free if "running" in each]
    moved = [each for each in statistics if not torch.equal(free[each], after[each])]
    assert moved or (name in HEADS and not statistics), "no batch norm was trained"
    kept = stored_tensors(run.strategy)
    assert {name for name, each in network.state_dict().items()} <= set(kept), "stored bits count all of it"


@pytest.mark.parametrize("name", SUBJECTS)
def test_where_all_biases_are_frozen_they_stay_or_it_is_refused(lab, name):
    """A layer of which a part is frozen: penalties, posteriors and Fisher matrices have its other part."""
    strategy, *settings = SUBJECTS[name]
    small = ("benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1")
    method = (*small, f"strategy={strategy}", *settings)
    make = partial(lab.from_conf, *method, "model.frozen=['*.bias']")
    if SUBJECTS[name][0] in HEADS:
        with pytest.raises(ValueError, match=r"out of model\.frozen"):
            make()
        return
    if getattr(lab.from_conf(*method).strategy, "binary", False):  # layers of binary weights have no bias
        with pytest.raises(ValueError, match=r"got '\*\.bias', which none is"):
            make()
        return
    run = make()
    biases = [each for each in run.strategy.model.parameters() if not each.requires_grad]
    before = [each.detach().clone() for each in biases]
    with lab.seeded():
        run.records()
    assert before
    assert all(map(torch.equal, before, biases))


def test_the_strategies_of_avalanche_are_among_them():
    assert set(AVALANCHES) <= set(NAMES)
