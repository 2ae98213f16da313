"""Every file in conf/model builds a network."""

from pathlib import Path

import pytest
import torch
from small_parts import small_stream

from cl_bench.config.build import build_model
from cl_bench.config.compose import compose
from cl_bench.learner.seeds import Seeds
from cl_bench.models import Network

FILES = sorted((Path(__file__).parents[2] / "conf" / "model").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_model_in_conf_can_be_built_and_run(file):
    stream = small_stream()
    resize = ["model.resize=32"] if file.stem == "torchvision" else []
    config = compose([f"model={file.stem}", *resize])
    assert config.model.name == file.stem
    network = build_model(config, stream, Seeds(0))
    assert isinstance(network, Network)
    assert network.heads.num_heads == 2
    assert network.eval()(torch.rand(3, 1, 4, 4), 1).shape == (3, 2)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_model_in_conf_begins_with_a_description(file):
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert len(first) < 100
