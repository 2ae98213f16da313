"""What a strategy predicts after `cl_bench.train`: what it was tested with, again and again."""

import numpy as np
import pytest
import torch

import cl_bench
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.streams.benchmark import to_avalanche

SETTINGS = [
    pytest.param("finetune", {"dropout": 0.5}, id="dropout"),
    pytest.param("ewc", {"normalisation": "batch"}, id="batch norm"),
    pytest.param("mesu", {"strategy.num_test_samples": 2}, id="mesu"),
    pytest.param("vcl", {"strategy.num_test_samples": 2}, id="vcl"),
    pytest.param("bayesbinn", {"strategy.num_test_samples": 2, "normalisation": "batch"}, id="bayesbinn"),
]


def built(name, stream, **settings):
    return cl_bench.strategy(
        name, stream, epochs=1, batch_size=64, hidden=[12], threads=1, tuned=False, **settings
    )


@pytest.fixture(scope="module")
def split():
    return cl_bench.stream("split_digits", num_tasks=2, seed=1)


def asked(stream, task):
    return stream.test[task].images("cpu"), stream.test[task].head


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_predictions_have_the_recorded_accuracy_and_repeat(split, name, settings):
    strategy = built(name, split, **settings)
    records = cl_bench.train(strategy, split, progress=False)
    recorded = records[records["after_task"] == 2].sort_values("on_task")["accuracy"].tolist()
    before = {key: each.clone() for key, each in strategy.model.state_dict().items()}
    assert not strategy.model.training
    for task in (1, 0):
        first, second = (strategy.predict(*asked(split, task)) for _ in range(2))
        assert not first.requires_grad
        assert torch.equal(first, second)
        found = (first.argmax(dim=1) == split.test[task].labels).double().mean().item()
        assert found == pytest.approx(recorded[task], abs=1e-6)
    strategy.model.train()  # as its user may
    assert torch.equal(strategy.predict(*asked(split, 0)), first)
    assert strategy.model.training
    assert all(torch.equal(each, before[key]) for key, each in strategy.model.state_dict().items())


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_predictions_do_not_disturb_the_training_that_follows(split, name, settings):
    """Trained on, and tested again, it ends at the bits of one that was only ever trained and tested."""
    experiences = list(to_avalanche(split).streams["train"])
    tests = list(to_avalanche(split).streams["test"])
    hashes = []
    for predicts in (False, True):
        strategy = built(name, split, **settings)
        if predicts:
            cl_bench.train(strategy, split, progress=False)
            strategy.predict(*asked(split, 1))
        else:
            strategy.eval(tests)
            for each in experiences:
                strategy.train(each, eval_streams=[])
                strategy.eval(tests)
        strategy.train(experiences[0], eval_streams=[])
        strategy.eval(tests)
        answers = strategy.test_noise.state()[0]
        hashes.append((*weights_sha256(strategy), answers.tolist()))
    assert hashes[0] == hashes[1]


def test_stacked_seeds_predict_side_by_side():
    stream = cl_bench.stream("split_digits", num_tasks=2, seeds=[0, 1])
    strategy = built("mesu", stream, **{"strategy.num_test_samples": 2})
    cl_bench.train(strategy, stream, progress=False)
    parts = [part.images("cpu")[:20] for part in stream.test[0].parts]
    first, second = (strategy.predict(torch.cat(parts), 0) for _ in range(2))
    assert first.shape[0] == 40
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("images", "task", "message"),
    [
        (np.zeros((3, 1, 8, 8)), 0, r"images must be a torch tensor of floats.* got ndarray"),
        (torch.zeros(3, 1, 8, 8, dtype=torch.uint8), 0, "got torch.uint8"),
        (torch.zeros(3, 8, 8), 0, r"images must be \[B, 1, 8, 8\].* got \[3, 8, 8\]: images\[:, None\]"),
        (torch.zeros(1, 8, 8), 0, r"got \[1, 8, 8\]: images\[None\]"),
        (torch.zeros(3, 1, 9, 9), 0, r"got \[3, 1, 9, 9\]: bring them"),
        (torch.zeros(3, 1, 8, 8), [0, 1, 1], r"task must be .* got \[0, 1, 1\]: write torch.tensor"),
        (torch.zeros(3, 1, 8, 8), 0.5, "task must be .* got 0.5"),
        (torch.zeros(3, 1, 8, 8), torch.zeros(3), r"task must be .* got torch.float32 \[3\]"),
        (torch.zeros(3, 1, 8, 8), None, "task must be .* got None"),
        (torch.zeros(3, 1, 8, 8), 2, "task must be at least 0 and below num_heads=2"),
    ],
)
def test_what_cannot_be_predicted_is_refused_in_a_sentence(split, images, task, message):
    strategy = built("finetune", split)
    strategy.put_to_use()
    with pytest.raises(ValueError, match=message):
        strategy.predict(images, task)
    if "task" in message and task is not None:  # without one a network says that it needs it
        with pytest.raises(ValueError, match=message):
            strategy.model(images, task)
