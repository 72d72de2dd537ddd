"""Where the weights of an encoder come from: a file that fits, or nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fracturax.core.errors import ModelError, UnknownNameError
from fracturax.models.unet import UNet


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"conv.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(ModelError, match="do not fit the encoder"):
        UNet("mobilenet_v2", str(path))


def test_the_weights_at_hand_fit_mobilenet(shared_data: Path) -> None:
    torch.manual_seed(0)
    path = shared_data / "weights" / "mobilenet_v2.safetensors"
    one, other = (UNet("mobilenet_v2", str(path)).unet.encoder.state_dict() for _ in range(2))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_weights_of_another_network_do_not(shared_data: Path) -> None:
    with pytest.raises(ModelError, match="do not fit"):
        UNet("resnet50", str(shared_data / "weights" / "resnet50_v2_stages1-3.safetensors"))


def test_an_unknown_encoder_names_its_neighbour() -> None:
    with pytest.raises(UnknownNameError, match="resnet50"):
        UNet("resnet5")
