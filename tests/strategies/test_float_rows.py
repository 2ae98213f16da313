"""Every strategy on rows of floats: what it does on the same numbers as images, bit for bit."""

import numpy as np
import pytest
import strategy_variants
import torch

from cl_bench.conformance.check import FAIL, PASS
from cl_bench.conformance.repeatability import stacked_seeds_are_those_alone_or_refused
from cl_bench.conformance.resuming import it_goes_on_bit_for_bit
from cl_bench.conformance.subject import Subject, same
from cl_bench.data import digits
from cl_bench.evaluation.states import stored_tensors
from cl_bench.testing import examine

SUBJECTS = strategy_variants.SUBJECTS
SPLIT = ("benchmark=split", "benchmark.num_tasks=2")
PERMUTED = ("benchmark=permuted", "benchmark.num_tasks=2")
QUICK = ("bayesbinn", "ewc", "function_prior", "replay", "vcl_coreset")  # the others take a minute
REHEARSING = ("der", "der_plus_plus", "gdumb", "replay", "vcl_coreset")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The digits as rows: in [0, 1], exactly as pixels=unit makes them, and as any floats."""
    found, data = tmp_path_factory.mktemp("rows"), digits()
    parts = {"x": data.train_images, "x_test": data.test_images}
    labels = {"y": data.train_labels.numpy(), "y_test": data.test_labels.numpy()}
    factor = torch.tensor(1 / 255)
    unit = {key: (each.float() * factor).flatten(1).numpy() for key, each in parts.items()}
    np.savez(found / "unit.npz", **unit, **labels)
    np.savez(found / "any.npz", **{key: each * 9 - 20 for key, each in unit.items()}, **labels)
    return found


@pytest.fixture
def rows(folder):
    return ("benchmark/dataset=arrays", f"benchmark.dataset.path={folder}/unit.npz")


@pytest.mark.parametrize(
    ("name", "stream"),
    [*((name, SPLIT) for name in SUBJECTS), *((name, PERMUTED) for name in ("ewc", "replay", "joint"))],
)
def test_on_rows_it_does_what_it_does_on_the_same_numbers_as_images(lab, name, stream, rows):
    choice, *settings = SUBJECTS[name]
    common = (f"strategy={choice}", *settings, *stream, "training.epochs=1")
    images, features = (lab.outcome(*common, *data) for data in (("benchmark/dataset=digits",), rows))
    assert features.losses == images.losses
    assert same(features.network, images.network)
    assert [each.accuracy for each in features.records] == [each.accuracy for each in images.records]
    assert all(np.isfinite(features.losses))


@pytest.mark.parametrize("name", REHEARSING)
def test_what_is_kept_of_rows_has_32_bits_a_number(lab, name, rows):
    choice, *settings = SUBJECTS[name]
    bits = {}
    for data in (("benchmark/dataset=digits",), rows):
        run = lab.from_conf(f"strategy={choice}", *settings, *SPLIT, *data)
        run.train()
        tensors = stored_tensors(run.strategy)
        bits[data] = {key: each.numel() * each.element_size() * 8 for key, each in tensors.items()}
    images, features = bits.values()
    larger = {key for key in images if features[key] != images[key]}
    assert larger
    assert all(features[key] == 4 * images[key] for key in larger)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SUBJECTS]
)
def test_on_any_floats_it_resumes_and_is_stacked_as_on_images(name, folder):
    choice, *settings = SUBJECTS[name]
    data = [
        "benchmark/dataset=arrays",
        f"benchmark.dataset.path={folder}/any.npz",
        "benchmark.pixels=standardised",
    ]
    subject = Subject(choice, [*settings, *data])
    questions = [it_goes_on_bit_for_bit, stacked_seeds_are_those_alone_or_refused]
    results = list(examine(subject, questions))
    outcomes = [result.outcome for result in results]
    assert FAIL not in outcomes, str(results)
    assert PASS in outcomes or choice == "avalanche"
