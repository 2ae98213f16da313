"""Every file in conf/model builds a network."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from cl_bench.models import Network

FILES = sorted((Path(__file__).parents[2] / "conf" / "model").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_model_in_conf_can_be_built_and_run(file):
    choice = OmegaConf.load(file)
    assert choice.pop("name") == file.stem
    network = instantiate(choice, input_shape=(1, 8, 8), num_classes=2, num_heads=5)
    assert isinstance(network, Network)
    assert network(torch.rand(3, 1, 8, 8), 4).shape == (3, 2)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_model_in_conf_begins_with_a_description(file):
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert len(first) < 100
