"""What an exported network computes with NumPy, against enumeration and against torch."""

import ast
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cl_bench import packed
from cl_bench.models import Network, cnn, mlp, resnet18
from cl_bench.models.exported import NotExportedError, exported

SETTINGS = {"input_shape": (2, 9, 8), "num_classes": 3, "num_heads": 1, "weights": "binary"}
REAL = SETTINGS | {"weights": "real", "normalisation": "none"}
NOT_YET = SETTINGS | {"normalisation": "none"}
OWN = {"mlp": {"hidden": [20, 13]}, "cnn": {"channels": [4, 6, 5], "hidden": 11}}
BUILDERS = {"mlp": mlp, "cnn": cnn}


def trained(network):
    """The network with signs, and with statistics that are not those of the start."""
    for parameter in network.parameters():
        parameter.data = torch.where(torch.rand_like(parameter) < 0.5, -1.0, 1.0)
    for name, values in network.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            values.copy_(torch.rand_like(values) + 0.5)
    return network.eval()


def built(model="mlp", **changes):
    return trained(BUILDERS[model](**{**SETTINGS, **OWN[model], "normalisation": "layer", **changes}))


def agree(network, heads=(0,)):
    """Whether logits of NumPy are those of torch in double precision, for random images."""
    images = torch.rand(15, 2, 9, 8, dtype=torch.float64) * 3 - 1
    made = exported(network)
    network = network.double()
    with torch.no_grad():
        found = [(packed.logits(made, images.numpy(), head), network(images, head).numpy()) for head in heads]
    return all(np.allclose(ours, theirs, rtol=1e-10, atol=1e-10) for ours, theirs in found)


@pytest.mark.parametrize("width", range(1, 6))
def test_xor_and_counting_give_the_integer_product_of_all_inputs_and_weights(width):
    inputs = np.array(list(product([0, 1], repeat=width)))
    weights = np.array(list(product([-1, 1], repeat=width)))
    found = packed.xnor(inputs, np.packbits(weights > 0, axis=1))
    assert found.dtype.kind == "i"
    assert (found == inputs @ weights.T).all()


@pytest.mark.parametrize("width", range(1, 26))
def test_packed_weights_come_back_whatever_their_number(width):
    weights = np.random.default_rng(width).choice([-1.0, 1.0], size=(5, width))
    bits = np.packbits(weights > 0, axis=1)
    assert bits.shape == (5, -(-width // 8))
    assert (packed.STEPS["add"](np.eye(width), bits) == weights.T).all()
    inputs = np.random.default_rng(width).integers(0, 2, size=(4, 3, width))
    assert (packed.xnor(inputs, bits) == inputs @ weights.T).all()


@pytest.mark.parametrize("model", BUILDERS)
@pytest.mark.parametrize("normalisation", ["batch", "layer", "group", "none"])
@pytest.mark.parametrize("activation", ["relu", "gate", "sign"])
def test_numpy_computes_what_torch_does(model, normalisation, activation):
    network = built(model, normalisation=normalisation, activation=activation)
    assert agree(network)
    kinds = [name for name, *_ in exported(network)[0] if name in ("add", "xnor")]
    assert kinds[0] == "add"
    assert set(kinds[1:]) == {"xnor" if activation == "gate" else "add"}


@pytest.mark.parametrize("normalisation", ["batch", "layer", "none"])
@pytest.mark.parametrize("num_classes", [2, 4])
def test_each_head_has_its_own_logits(normalisation, num_classes):
    network = built(normalisation=normalisation, num_heads=3, num_classes=num_classes, activation="gate")
    assert agree(network, heads=range(3))


def test_classes_that_are_not_there_have_the_same_logit():
    network = built()
    network.heads.active = torch.tensor([True, False, True])
    assert agree(network)


def test_dropout_is_off_and_without_hidden_layers_there_are_heads_alone():
    assert agree(built(dropout=0.5, activation="gate"))
    assert agree(built(hidden=[]))


def test_an_array_has_a_bit_for_each_weight():
    network = built(hidden=[24, 16], input_shape=(2, 9, 8), num_classes=8)
    _, arrays = exported(network)
    assert {name: each.nbytes for name, each in arrays.items()} == {
        "body.1.bits": 144 * 24 // 8,
        "body.4.bits": 24 * 16 // 8,
        "heads.linear.bits": 16 * 8 // 8,
    }


def strided():
    network = built("cnn")
    network.body[0].stride = (2, 2)
    return network


def own():
    class Own(nn.Linear):
        def forward(self, inputs):
            return super().forward(inputs) + 1

    network = built()
    network.body[1] = Own(144, 20, bias=False)
    return network


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: mlp(**REAL, hidden=[8]), "weights of -1 and \\+1 and no biases"),
        (lambda: mlp(**NOT_YET, hidden=[8]), "others in body.1; train it by a method"),
        (lambda: trained(resnet18(**NOT_YET, width=4)), "modules of mlp and cnn.*BasicBlock"),
        (lambda: built().body, "layers one after another and then heads, got Sequential"),
        (lambda: Network(nn.Tanh(), built().heads), "layers one after another"),
        (lambda: Network(nn.Sequential(nn.Tanh()), built().heads), "got body.0: Tanh"),
        (lambda: Network(nn.Sequential(nn.BatchNorm1d(3)), built().heads), "without parameters of its own"),
        (strided, "odd squares that keep the size, got body.0: Conv2d"),
        (own, "modules of mlp and cnn"),
    ],
)
def test_what_has_no_step_is_refused_with_its_rule(make, rule):
    with pytest.raises(NotExportedError, match=rule):
        exported(make())


def test_the_reader_needs_numpy_alone_and_may_be_copied(tmp_path):
    source = Path(packed.__file__).read_text()
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    assert names == {"json", "collections.abc", "typing", "numpy"}
    (tmp_path / "copied.py").write_text(source)
    script = "import sys, copied, cl_bench.packed; assert not {'torch', 'avalanche'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
