"""Saved weights and predictions that a stranger made: nothing of them is run, none claims too much."""

import json
import os
import pickle
import shutil
import struct

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import cl_bench
from cl_bench.analysis import load
from cl_bench.analysis.predictions import answers_of, predicted
from cl_bench.config.compose import compose
from cl_bench.records.row_files import RecordsError
from cl_bench.records.runs import read_run
from cl_bench.runner.run import execute

SETTINGS = ("benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[8]")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    config = compose([*SETTINGS, "training.save=[weights,predictions]", f"results_dir={folder}"])
    return execute(config, show_progress=False)[0]


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "study" / made.name)


def forget_hashes(run):
    about = json.loads((run / "run.json").read_text())
    del about["saved"]
    (run / "run.json").write_text(json.dumps(about))


def weights(run):
    return run / "saved" / "weights_after_2.safetensors"


def predictions(run):
    return run / "saved" / "predictions_after_2.safetensors"


def header(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def rewrite(path, change):
    """The file with another text about itself."""
    told, rest = header(path)
    about = json.loads(told["__metadata__"]["cl_bench"])
    change(about)
    told["__metadata__"]["cl_bench"] = json.dumps(about)
    text = json.dumps(told).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + rest)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"abc",
        b"\xff" * 100,
        struct.pack("<Q", 2**62),
        struct.pack("<Q", 2) + b"{}",
        pickle.dumps(os.system),
    ],
)
def test_what_is_no_file_of_weights_is_refused_in_a_sentence(run, content):
    forget_hashes(run)
    weights(run).write_bytes(content)
    with pytest.raises(ValueError, match="is no file of weights that"):
        cl_bench.load_network(run)


def test_a_file_that_was_changed_is_refused_by_its_hash(run):
    content = bytearray(weights(run).read_bytes())
    content[-1] ^= 1
    weights(run).write_bytes(content)
    with pytest.raises(ValueError, match="is not as the run left it"):
        cl_bench.load_network(run)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("state", None),
        ("state", {"pairs": [["network", {"tensor": "nowhere"}]]}),
        ("state", {"pairs": [["network", {"pairs": []}]]}),
        ("state", [[[[[[]]]]]]),
        ("input_shape", [1, 8, 9]),
        ("input_shape", [2**40, 2**40, 1]),
        ("input_shape", "abc"),
        ("num_classes", -1),
        ("num_heads", 3),
        ("num_heads", True),
        ("packed", {"network.heads.linear.weight": {"shape": [2**40], "dtype": "float32"}}),
        ("packed", {"network.heads.linear.weight": {"shape": [-1, -64], "dtype": "float32"}}),
        ("packed", {"network.heads.linear.weight": {"shape": [2], "dtype": "load"}}),
        ("packed", {"nowhere": {"shape": [2], "dtype": "float32"}}),
        ("format", 2),
        ("kind", "predictions"),
        ("seed", 7),
        ("hash", "0" * 8),
        ("weights_sha256", "0" * 64),
        ("after_task", "2"),
    ],
)
def test_a_text_that_cannot_be_is_an_error_in_a_sentence(run, key, value):
    forget_hashes(run)
    rewrite(weights(run), lambda about: about.__setitem__(key, value))
    # the strategy has its shapes from the data, and the network no hash
    of_shapes = key in ("input_shape", "num_classes", "num_heads")
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        (cl_bench.load_network if of_shapes else cl_bench.load_strategy)(run)
    assert len(str(caught.value)) < 1500
    assert "Traceback" not in str(caught.value)


def test_a_name_of_code_in_the_settings_is_not_run(run, tmp_path):
    text = (run / "config.yaml").read_text()
    assert "cl_bench.models.mlp" in text
    (run / "config.yaml").write_text(text.replace("cl_bench.models.mlp", "os.system"))
    with pytest.raises(ValueError, match="only what conf/ or an installed package names"):
        cl_bench.load_network(run)


def test_a_pipe_is_not_waited_for(run):
    forget_hashes(run)
    weights(run).unlink()
    os.mkfifo(weights(run))
    with pytest.raises(ValueError, match="must be a regular file, got a pipe"):
        cl_bench.load_network(run)
    predictions(run).unlink()
    os.mkfifo(predictions(run))
    with pytest.raises(RecordsError, match="must be a regular file, got a pipe"):
        predicted(run)


def tensors(run, **changed):
    """The file of predictions with other tensors."""
    about = {"cl_bench": header(predictions(run))[0]["__metadata__"]["cl_bench"]}
    found = load_file(predictions(run)) | changed
    save_file({name: each for name, each in found.items() if each is not None}, predictions(run), about)


@pytest.mark.parametrize(
    "changed",
    [
        {"outputs": None},
        {"labels": np.zeros(3, dtype=np.int64)},
        {"outputs": np.zeros((5, 5, 5), dtype=np.float32)},
        {"outputs": np.zeros((0, 5), dtype=np.float32)},
        {"labels": np.full(360, 5)},
        {"labels": np.full(360, -1)},
        {"tasks": np.zeros(360, dtype=np.int64)},
        {"tasks": np.full(360, 3)},
        {"tasks": np.zeros(360)},
    ],
    ids=str,
)
def test_predictions_that_cannot_be_are_refused_by_name(run, changed):
    tensors(run, **changed)
    with pytest.raises(RecordsError, match="predictions_after_2"):
        list(answers_of(read_run(run)))


@pytest.mark.parametrize(
    "content",
    [
        "seed\n",
        "seed,after_task,on_task,name,value,unit,better\n0,1,1,top_2\n",
        "seed,after_task,on_task,name,value,unit,better\n0,1,1,=1+1,0.5,,\n",
        "seed,after_task,on_task,name,value,unit,better\n0,1,1,<b>,0.5,,\n",
        "seed,after_task,on_task,name,value,unit,better\n0,1,1,top_2,abc,,\n",
        "seed,after_task,on_task,name,value,unit,better\n0,1,1,top_2,0.5,KiB,\n",
        "seed,after_task,on_task,name,value,unit,better\n1,1,1,top_2,0.5,,\n",
        "seed,after_task,on_task,name,value,unit,better\n0,9,1,top_2,0.5,,\n",
        "seed,after_task,on_task,name,value,unit,better\n0,1,1,top_2,1,,\n0,1,2,top_2,1,%,\n",
        "seed,after_task,on_task,name,value,unit,better\n" + f"0,1,1,{'x' * 41},1,,\n",
    ],
)
def test_a_metrics_file_that_cannot_be_makes_the_run_broken(run, content):
    (run / "metrics.csv").write_text(content)
    broken = read_run(run)
    assert broken.status == "broken"
    assert "metrics.csv" in broken.error


def test_a_metric_cannot_take_the_place_of_one_of_ours(run):
    head = "seed,after_task,on_task,name,value,unit,better\n"
    rows = [f"0,2,1,{name},0.9,%,higher\n" for name in ("accuracy", "forgetting", "nll", "method", "my_own")]
    before = load(run)
    (run / "metrics.csv").write_text(head + "".join(rows))
    frame = load(run)
    assert set(frame.columns) - set(before.columns) == {"my_own"}
    assert frame["accuracy"].tolist() == before["accuracy"].tolist()
