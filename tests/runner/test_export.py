"""`cl-bench export`: NumPy's answers on test images are those of torch, from a small file."""

import numpy as np
import pytest
import torch

import cl_bench
from cl_bench import packed
from cl_bench.config.build import build_stream
from cl_bench.learner.seeds import Seeds
from cl_bench.runner import export as exporting
from cl_bench.runner.export import export
from cl_bench.runner.run import execute

SAVED = "training.save=[weights]"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # after every run: most of the time of such small ones


@pytest.mark.parametrize(
    "overrides",
    [
        ("strategy=bayesbinn", "model.activation=gate"),
        ("strategy=straight_through", "model.normalisation=batch"),
        ("strategy=bop", "model.normalisation=none", "benchmark.scenario=class"),
        ("strategy=bimu", "model=cnn", "model.channels=[4,4]", "model.hidden=8", "model.activation=gate"),
        ("strategy=adaste", "benchmark.scenario=class", "training.active_classes=seen"),
    ],
    ids=lambda overrides: " ".join(overrides[:2]),
)
def test_numpy_has_the_logits_and_classes_of_torch_on_test_images(configured, tmp_path, overrides):
    config = configured(*overrides, SAVED)
    (folder,) = execute(config)
    made = export(folder, tmp_path / "small.npz")
    network, read = cl_bench.load_network(folder), packed.read(made.path)
    stream, _ = build_stream(config, Seeds(config.seed, config.seed_for))
    for task in stream.test:
        images = task.images(torch.device("cpu"))
        with torch.no_grad():
            theirs = network(images, task.head).numpy()
        ours = packed.logits(read, images.numpy(), task.head)
        assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-4)
        assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).all()
    assert made.difference < 1e-9
    assert made.num_heads == stream.num_heads
    assert made.num_bytes == made.path.stat().st_size


def test_a_larger_network_is_nearly_a_thirty_second_of_itself(configured, tmp_path):
    (folder,) = execute(configured("strategy=bimu", "model.hidden=[300,300]", "training.iterations=1", SAVED))
    made = export(folder, tmp_path / "small.npz")
    weights = 64 * 300 + 300 * 300 + 300 * 10
    assert weights / 8 < made.num_bytes < 1.2 * weights / 8 + 2000
    assert 4 * weights < made.num_bytes_float < 4.1 * weights
    again = export(folder, tmp_path / "again.npz")
    assert again.path.read_bytes() == made.path.read_bytes()


def test_what_is_saved_after_a_task_is_exported(configured, tmp_path):
    (folder,) = execute(configured("strategy=bimu", "training.save=[weights@each]"))
    first, last = (export(folder, tmp_path / f"{task}.npz", after_task=task) for task in (1, 2))
    assert first.path.read_bytes() != last.path.read_bytes()
    assert export(folder, tmp_path / "new.npz").path.read_bytes() == last.path.read_bytes()
    assert first.num_test_samples > 1, "the tests of bimu average"


def test_a_real_network_and_a_run_without_weights_are_refused_and_nothing_is_written(configured, tmp_path):
    (real,) = execute(configured("strategy=finetune", SAVED))
    with pytest.raises(ValueError, match=f"cannot export {real}: .* weights of -1 and"):
        export(real, tmp_path / "real.npz")
    (unsaved,) = execute(configured("strategy=bimu"))
    with pytest.raises(ValueError, match="no saved weights: make them with `cl-bench run"):
        export(unsaved, tmp_path / "unsaved.npz")
    with pytest.raises(ValueError, match=r"must end in \.npz, got .*small\.bin; rename it"):
        export(unsaved, tmp_path / "small.bin")
    assert not list(tmp_path.glob("*.npz"))


def test_a_file_that_computes_something_else_is_never_written(configured, tmp_path, monkeypatch):
    (folder,) = execute(configured("strategy=bimu", SAVED))
    logits = packed.logits
    monkeypatch.setattr(exporting.packed, "logits", lambda *given: logits(*given) + 1e-3)
    with pytest.raises(ValueError, match=r"must be torch's, and differ by 0\.001; nothing was written"):
        export(folder, tmp_path / "small.npz")
    assert not list(tmp_path.glob("*.npz"))
