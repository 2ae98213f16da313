"""`cl-bench features`: a linear head on them is the network's own, and one small file says what it is."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import cl_bench
from cl_bench.analysis import load
from cl_bench.cli.main import main
from cl_bench.config.build import build_data
from cl_bench.config.compose import compose
from cl_bench.data import digits, fashion_mnist, features, mnist
from cl_bench.models import cnn
from cl_bench.runner.run import execute

MODEL = ("model=cnn", "model.channels=[8,8]", "model.hidden=32", "model.normalisation=batch")


@pytest.fixture(autouse=True)
def as_before(process_as_before):
    pass


def trained(data, *, steps, num_images=None):
    """A small network that knows a data set."""
    torch.manual_seed(0)
    network = cnn(
        input_shape=tuple(data.train_images.shape[1:]),
        num_classes=10,
        num_heads=1,
        channels=[8, 8],
        hidden=32,
        normalisation="batch",
        weights="real",
    )
    images, labels = data.train_images[:num_images] / 255, data.train_labels[:num_images]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(steps):
        batch = torch.arange(step * 256, (step + 1) * 256) % len(images)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def network():
    return trained(digits(), steps=120)


@pytest.fixture
def written(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "trained.pt")
    path = tmp_path / "digits32.safetensors"
    status = main(
        [
            "features",
            "benchmark/dataset=digits",
            *MODEL,
            f"checkpoint={tmp_path / 'trained.pt'}",
            "-o",
            str(path),
        ]
    )
    assert status == 0
    return path


def agrees(network, data, found):
    """Whether a linear head on the features says what the network says of the images."""
    with torch.no_grad():
        for images, rows in (
            (data.train_images, found.train_images),
            (data.test_images, found.test_images),
        ):
            head = network.heads(rows[:1500].flatten(1))
            assert torch.allclose(head, network(images[:1500] / 255), atol=1e-4)
    assert found.train_labels.equal(data.train_labels)
    assert found.test_labels.equal(data.test_labels)


def test_a_linear_head_on_the_features_is_the_networks_own(network, written):
    found = features(path=str(written), root=None)
    assert found.train_images.shape == (1442, 32, 1, 1)
    assert found.class_names == tuple(map(str, range(10)))
    agrees(network, digits(), found)
    assert written.stat().st_size < 1797 * (32 * 4 + 8) + 4000


def test_the_file_says_what_it_is_of_and_is_the_same_each_time(written, tmp_path, capsys):
    with safe_open(written, framework="pt") as file:
        about = json.loads(file.metadata()["cl_bench"])
    assert about["features_of"].startswith("features of digits (scikit-learn's load_digits) by body of cnn (")
    assert "trained.pt, sha256 " in about["features_of"]
    made_by = about["made_by"]
    assert made_by["pixels"] == "unit"
    assert made_by["model"]["channels"] == [8, 8]
    assert set(made_by["data"]) == {"train", "test"}
    assert str(tmp_path) not in json.dumps(about)
    again = tmp_path / "again.safetensors"
    words = ["benchmark/dataset=digits", *MODEL, f"checkpoint={tmp_path / 'trained.pt'}", f"--output={again}"]
    assert main(["features", *words]) == 0
    assert again.read_bytes() == written.read_bytes()
    assert "Test images were read, as data; no label was used." in capsys.readouterr().out


def test_a_stream_over_features_is_learned_by_a_linear_layer(written, tmp_path):
    config = compose(
        [
            *("benchmark=split", "benchmark/dataset=features", f"benchmark.dataset.path={written}"),
            *("benchmark.pixels=raw", "benchmark.num_tasks=2", "model.hidden=[]", "model.normalisation=none"),
            *("training.epochs=10", "training.learning_rate=0.03", f"results_dir={tmp_path}"),
        ]
    )
    assert config.benchmark.name == "split_digits32"
    assert build_data(config).source.startswith("features of digits")
    execute(config)
    frame = load(tmp_path)
    assert frame[frame["after_task"] == 2]["accuracy"].mean() > 0.9


def test_weights_are_taken_from_safetensors_and_from_others_checkpoints(network, tmp_path):
    found = []
    save_file(network.state_dict(), tmp_path / "a.safetensors")
    torch.save({"epoch": 3, "state_dict": network.state_dict()}, tmp_path / "b.pt")
    without_heads = {key: each for key, each in network.state_dict().items() if "heads" not in key}
    torch.save(without_heads, tmp_path / "c.pt")
    for name in ("a.safetensors", "b.pt", "c.pt"):
        path = tmp_path / f"{name}.safetensors"
        words = ["benchmark/dataset=digits", *MODEL, f"checkpoint={tmp_path / name}", "-o", str(path)]
        assert main(["features", *words]) == 0
        found.append(features(path=str(path), root=None).train_images)
    assert found[0].equal(found[1])
    assert found[0].equal(found[2])


def refusal(capsys, *words, status=None):
    code = main(["features", *words])
    shown = capsys.readouterr()
    assert code in ((1, 2) if status is None else (status,))
    (line,) = shown.err.splitlines()
    assert line.startswith("cl-bench: ")
    return line


def test_what_cannot_be_done_is_one_line_and_leaves_no_file(network, tmp_path, capsys):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "sprung").mkdir, ()

    output = tmp_path / "out.safetensors"
    common = ["benchmark/dataset=digits", "-o", str(output)]
    state = tmp_path / "trained.pt"
    torch.save(network.state_dict(), state)
    torch.save({"a": Trap()}, tmp_path / "trap.pt")
    (tmp_path / "cut.pt").write_bytes(state.read_bytes()[:500])
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00")
    for words, expected in (
        (["checkpoint=nothing.pt"], "must be a file of weights or the folder of a run, got nothing.pt"),
        ([f"checkpoint={tmp_path / 'trap.pt'}"], "must be a .safetensors file or a state_dict of torch.save"),
        ([f"checkpoint={tmp_path / 'cut.pt'}"], "must be a .safetensors file or a state_dict of torch.save"),
        ([f"checkpoint={tmp_path / 'cut.safetensors'}"], "must be a .safetensors file or a state_dict"),
        (
            [f"checkpoint={state}", "model=mlp"],
            "must have the weights of this network, got body.0.weight, which it has not",
        ),
        ([f"checkpoint={state}", *MODEL, "model.hidden=16"], "of [32, 128], not [16, 128]"),
        (["layer=body.99"], "layer must be a part of the network, got layer='body.99'"),
        (["benchmark=permuted_digits"], "features are made of images as they are, got benchmark=permuted_"),
        (["training.test_on=validation", "benchmark.validation_share=0.1"], "training and test images"),
        (["model=nope"], "there is no model=nope"),
        (["model.hidden=x"], "model.hidden must be a list of whole numbers"),
        (["word"], "takes settings as name=value, -o and --config-dir, got word"),
        (["--fast"], "got --fast"),
    ):
        assert expected in refusal(capsys, *common, *words)
    assert "needs a file to write, got none" in refusal(capsys, "model=mlp", status=2)
    assert "must end in .safetensors" in refusal(capsys, "benchmark/dataset=digits", "-o", "a.npz")
    assert "must exist" in refusal(capsys, "benchmark/dataset=digits", "-o", "/nowhere/a.safetensors")
    assert not output.exists()
    assert not (tmp_path / "sprung").exists()


def test_a_run_that_has_saved_its_weights_is_a_checkpoint(tmp_path):
    run = [
        *("benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1", *MODEL),
        *("training.save=[weights]", f"results_dir={tmp_path}"),
    ]
    (folder,) = execute(compose(run))
    path = tmp_path / "found.safetensors"
    words = ["benchmark/dataset=digits", f"checkpoint={folder}", "-o", str(path)]
    assert main(["features", *words]) == 0
    network = cl_bench.load_network(folder)
    found, images = features(path=str(path), root=None), digits().test_images / 255
    with torch.no_grad():
        for head in range(2):
            own = network(images, head)
            assert torch.allclose(network.heads(found.test_images.flatten(1), head), own, atol=1e-4)


def test_real_images_too(data_root, tmp_path):
    fashion = fashion_mnist(root=str(data_root), download=False)
    network = trained(fashion, steps=40, num_images=5000)
    torch.save(network.state_dict(), tmp_path / "trained.pt")
    path = tmp_path / "mnist.safetensors"
    words = ["benchmark/dataset=mnist", f"data.root={data_root}", *MODEL, "-o", str(path)]
    assert main(["features", f"checkpoint={tmp_path / 'trained.pt'}", *words]) == 0
    agrees(network, mnist(root=str(data_root), download=False), features(path=str(path), root=None))
    assert path.stat().st_size < 70_000 * (32 * 4 + 8) + 4000
