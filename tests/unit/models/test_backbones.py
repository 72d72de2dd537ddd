"""Pretrained weights come from a file or a download, and say so when they cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch

from fracturax.core.errors import ModelError, UnknownNameError
from fracturax.models.backbones import build_backbone


def test_the_maps_have_the_strides_and_channels_they_say() -> None:
    backbone = build_backbone("mobilenet_v2", "random").eval()
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


def test_the_weights_at_hand_fit(shared_data: Path) -> None:
    path = shared_data / "weights" / "mobilenet_v2.safetensors"
    state = build_backbone("mobilenet_v2", str(path)).state_dict()
    assert all(bool(torch.isfinite(value).all()) for value in state.values())
    assert float(state["features.0.0.weight"].abs().max()) > 0.1
