"""Networks of torchvision with heads of ours."""

import pytest
import torch
from torch import nn
from torchvision import models

from cl_bench.models import Dropout, adopted, torchvision

# one of each way in which torchvision writes a last layer, those that are quick
SMALL = ("resnet18", "squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5", "regnet_x_400mf")
SHAPES = {"input_shape": (3, 32, 32), "num_classes": 4, "num_heads": 2}
SETTINGS = {"weights": None, "small_images": False, "resize": None, "download": False}


def built(architecture="resnet18", *, shapes=None, **settings):
    return torchvision(**{**SHAPES, **(shapes or {})}, architecture=architecture, **{**SETTINGS, **settings})


@pytest.mark.parametrize("architecture", SMALL)
def test_the_last_layer_is_replaced_by_heads_and_nothing_else(architecture):
    network = built(architecture).eval()
    whole = models.get_model(architecture, weights=None).eval()
    mine, theirs = network.body.state_dict(), whole.state_dict()
    left_out = [name for name in theirs if name not in mine]
    assert len(left_out) == 2
    assert {theirs[name].shape[0] for name in left_out} == {1000}
    assert {name: each.shape for name, each in mine.items()} == {
        name: each.shape for name, each in theirs.items() if name in mine
    }
    images = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        features = network.body(images)
        assert features.shape == (3, network.heads.in_features)
        assert torch.equal(network(images, 1), network.heads(features, 1))
    assert not any(type(each) is nn.Dropout for each in network.modules())


@pytest.mark.slow
@pytest.mark.parametrize("architecture", models.list_models(module=models))
def test_every_classification_network_of_torchvision_has_heads(architecture):
    place = "cpu" if architecture.startswith("regnet") else "meta"  # whose constructor computes
    if place == "cpu" and architecture not in SMALL:
        pytest.skip("the family is tested by its smallest")
    with torch.device(place):
        network = built(architecture, shapes={"input_shape": (3, 224, 224)}).eval()
        assert network(torch.zeros(2, 3, 224, 224), 1).shape == (2, 4)


def test_dropout_is_ours():
    with torch.device("meta"):
        network = built("alexnet")
    assert sum(isinstance(each, Dropout) for each in network.modules()) == 2


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_weights_come_from_a_file_but_for_the_last_layer(tmp_path, suffix):
    whole = models.get_model("resnet18", weights=None)
    path = tmp_path / f"weights.{suffix}"
    if suffix == "pt":
        torch.save(whole.state_dict(), path)
    else:
        from safetensors.torch import save_file

        save_file(whole.state_dict(), path)
    network = built(weights=str(path))
    for name, each in network.body.state_dict().items():
        assert torch.equal(each, whole.state_dict()[name]), name


def test_weights_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(models.get_model("shufflenet_v2_x0_5", weights=None).state_dict(), path)
    with pytest.raises(ValueError, match=r"must be those of resnet18, got .*weights\.pt without .* more"):
        built(weights=str(path))
    state = models.get_model("resnet18", weights=None).state_dict()
    torch.save({**state, "conv1.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(ValueError, match=r"with other sizes of conv1\.weight"):
        built(weights=str(path))
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="tensors by name, got other things"):
        built(weights=str(path))
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="must be a file of tensors by name"):
        built(weights=str(path))
    with pytest.raises(ValueError, match=r"weights must be null, .*IMAGENET1K_V1.* there is no such file"):
        built(weights="nowhere.pt")


def test_weights_that_cannot_be_had_are_an_error_that_says_what_was_tried(monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path), raising=False)
    with pytest.raises(ValueError, match=r"resnet18-\w+\.pth was looked for, and https://.* no network"):
        built(weights="DEFAULT", download=True)


def test_grey_images_become_three_equal_channels_and_sizes_are_brought_to_what_is_asked():
    torch.manual_seed(0)
    grey = built(shapes={"input_shape": (1, 32, 32)}).eval()
    torch.manual_seed(0)
    colour = built().eval()
    images = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(grey(images, 0), colour(images.expand(-1, 3, -1, -1), 0))
        resized = built(resize=64).eval()
        assert resized.body(torch.rand(2, 3, 32, 32)).shape == (2, 512)
    with pytest.raises(ValueError, match="3 channels, or grey ones, got 2 channels"):
        built(shapes={"input_shape": (2, 32, 32)})


def test_small_images_keep_their_pixels_longer_and_all_weights_fit(tmp_path):
    plain, small = built(), built(small_images=True)
    assert plain.body.conv1.stride == (2, 2)
    assert small.body.conv1.stride == (1, 1)
    assert isinstance(small.body.maxpool, nn.Identity)
    assert [each.shape for each in plain.parameters()] == [each.shape for each in small.parameters()]
    stages: list[torch.Size] = []
    small.body.layer4.register_forward_hook(lambda layer, given, out: stages.append(out.shape))
    small.eval()(torch.rand(2, 3, 32, 32), 0)
    assert stages[0][2:] == (4, 4)
    with torch.device("meta"), pytest.raises(ValueError, match="cuts images into patches"):
        built("vit_b_32", small_images=True)


def test_names_of_frozen_parts_are_torchvisions_also_for_grey_images():
    network = adopted(
        built("resnet18", shapes={"input_shape": (1, 32, 32)}),
        **{**SHAPES, "input_shape": (1, 32, 32)},
        frozen=["conv1", "bn1", "layer[12]"],
    )
    free = [name for name, each in network.named_parameters() if each.requires_grad]
    assert free[0].startswith("body.prepared.layer3.0")
    assert not network.train().body.prepared.bn1.training


def test_an_unknown_architecture_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean resnet18"):
        built("resnet81")


def test_weights_by_name_are_not_fetched_where_nothing_may_be(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", None)
    with pytest.raises(ValueError, match=r"was looked for, and data\.download is false\. Put the file there"):
        built("resnet18", weights="DEFAULT")
