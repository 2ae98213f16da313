"""The parts of a run work together without Hydra, as in a user's own script."""

import subprocess
import sys

SCRIPT = """
import sys

import torch

from cl_bench.data import digits
from cl_bench.models import mlp
from cl_bench.strategies import EWC, Finetune
from cl_bench.streams import permuted
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.evaluation.experiment import experiment
from cl_bench.learner.seeds import Seeds

seeds = Seeds(0)
stream = permuted(
    data=digits(),
    padding=0,
    num_tasks=2,
    scenario="domain",
    permute_first=False,
    pixels="unit",
    validation_share=0.0,
    num_train=None,
    generator=seeds.generator("order"),
)
learner = {
    "epochs": 10,
    "iterations": None,
    "batch_size": 32,
    "test_batch_size": 1000,
    "optimizer": "adam",
    "optimizer_state": "new",
    "active_classes": "all",
    "learning_rate": 0.005,
    "schedule": "constant",
    "device": "cpu",
    "compile": False,
    "precision": "float32",
    "seeds": seeds,
}
ewc = {"strength": 100.0, "mode": "online", "decay": 1.0, "fisher_estimator": "exact"}
for strategy, settings in ((Finetune, {}), (EWC, ewc)):
    torch.manual_seed(seeds["init"])
    model = mlp(
        input_shape=stream.input_shape,
        num_classes=stream.num_classes,
        num_heads=stream.num_heads,
        hidden=[50],
        normalisation="none",
        weights="real",
    )
    learning = strategy(model=model, **settings, **learner)
    records = list(experiment(learning, to_avalanche(stream), seed=0, test_on="test", test_last=None))
    assert len(records) == 6
    assert records[2].accuracy > 0.8, records  # the first task after itself
    assert records[5].accuracy > 0.8, records  # the second after itself
    print(strategy.__name__)
loaded = sorted({name.partition(".")[0] for name in sys.modules} & {"hydra", "omegaconf"})
assert not loaded, loaded
"""


def test_a_script_of_the_parts_runs_and_never_loads_hydra():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Finetune", "EWC"]
