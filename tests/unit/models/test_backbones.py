"""Pretrained weights come from a file or a download, and say so when they cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fracturax.core.errors import ModelError, UnknownNameError
from fracturax.models.backbones import build_backbone
from fracturax.models.catalog import BACKBONES


@pytest.mark.parametrize("name", list(BACKBONES))
def test_the_maps_have_the_strides_and_channels_they_say(name: str) -> None:
    backbone = build_backbone(name, "random").eval()
    assert backbone.strides == BACKBONES[name].strides
    with torch.inference_mode():
        maps = backbone(torch.zeros(1, 3, 96, 64))
    for features, stride, channels in zip(maps, backbone.strides, backbone.channels, strict=True):
        assert features.shape == (1, channels, 96 // stride, 64 // stride)


def test_a_download_that_fails_names_the_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with pytest.raises(ModelError, match="--weights"):
        build_backbone("mobilenet_v2", "imagenet")


def test_a_file_that_is_no_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"not at all")
    with pytest.raises(ModelError, match="cannot be read"):
        build_backbone("mobilenet_v2", str(tmp_path / "weights.safetensors"))


def test_an_unknown_backbone_names_its_neighbour() -> None:
    with pytest.raises(UnknownNameError, match="mobilenet_v2"):
        build_backbone("mobilenet_v3", "random")


def test_a_resnet_says_that_it_cannot_be_downloaded() -> None:
    with pytest.raises(ModelError, match=r"no library offers weights.*--weights"):
        build_backbone("resnet50", "imagenet")


def test_weights_of_another_network_are_refused(shared_data: Path) -> None:
    path = shared_data / "weights" / "mobilenet_v2.safetensors"
    with pytest.raises(ModelError, match="not those of a ResNet-50"):
        build_backbone("resnet50", str(path))


def test_photographs_give_the_resnet_the_statistics_it_was_trained_with(shared_data: Path) -> None:
    # Were a unit wired otherwise than where the weights come from, what reaches its normalizations
    # would not have the means that were kept with the weights.
    data = pytest.importorskip("skimage.data")
    path = shared_data / "weights" / "resnet50_v2_stages1-3.safetensors"
    backbone = build_backbone("resnet50", str(path)).eval()
    likeness = {}

    def compare(name: str) -> Callable[..., None]:
        def hook(norm: nn.BatchNorm2d, inputs: tuple[Tensor], _: Tensor) -> None:
            means = torch.stack([inputs[0].mean(dim=(0, 2, 3)), norm.running_mean])
            likeness[name] = float(torch.corrcoef(means)[0, 1])

        return hook

    for name, module in backbone.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(compare(name))
    photographs = [getattr(data, name)()[:256, :256] for name in ("astronaut", "coffee", "rocket")]
    images = torch.from_numpy(np.stack(photographs)).permute(0, 3, 1, 2) / 255
    colors = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 3, 1, 1)
    with torch.inference_mode():
        backbone((images - colors[0]) / colors[1])
    assert len(likeness) == 42
    # The first two see colours and edges, whose means are about zero.
    assert min(one for name, one in likeness.items() if "." in name) > 0.7, likeness


def test_the_weights_at_hand_fit(shared_data: Path) -> None:
    path = shared_data / "weights" / "mobilenet_v2.safetensors"
    state = build_backbone("mobilenet_v2", str(path)).state_dict()
    assert all(bool(torch.isfinite(value).all()) for value in state.values())
    assert float(state["features.0.0.weight"].abs().max()) > 0.1
