"""What every network of the CT stream obeys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torchvision.models import mobilenet_v2

from fracturax.core.errors import ModelError
from fracturax.models.catalog import VOLUME_NETWORKS
from fracturax.models.session import OnnxRuntimeSession
from fracturax.models.volume import build_volume_network
from fracturax.models.volume_bundle import OUTPUTS
from fracturax.training.export import write_graph

every = pytest.mark.parametrize("name", list(VOLUME_NETWORKS))


@every
def test_a_cube_of_any_size_gets_a_logit_features_and_a_map_an_eighth_as_large(name: str) -> None:
    torch.manual_seed(0)
    network = build_volume_network(name).eval()
    with torch.inference_mode():
        exact = network(torch.rand(2, 1, 48, 48, 48))
        odd = network(torch.rand(1, 1, 33, 47, 50))
    assert exact.logit.shape == (2,)
    assert exact.features.shape == (2, odd.features.shape[1])
    assert exact.map.shape == (2, 6, 6, 6)
    for cells, side in zip(odd.map.shape[1:], (33, 47, 50), strict=True):
        assert cells in (side // 8, -(-side // 8))


@every
def test_a_batch_is_one_by_one_and_the_same_seed_is_the_same_network(name: str) -> None:
    cubes = torch.rand(3, 1, 40, 40, 40)
    answers = []
    for _ in range(2):
        torch.manual_seed(7)
        network = build_volume_network(name).eval()
        with torch.inference_mode():
            answers.append(network(cubes))
    for one, again in zip(*answers, strict=True):
        assert torch.equal(one, again)
    with torch.inference_mode():
        alone = [network(cube[None]) for cube in cubes]
    for number, field in enumerate(answers[0]):
        joined = torch.cat([answer[number] for answer in alone])
        assert torch.allclose(joined, field, rtol=1e-4, atol=1e-4 * float(field.abs().max() + 1))


@every
def test_its_onnx_graph_says_what_torch_says_and_its_weights_come_back(
    name: str, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    network = build_volume_network(name).eval()
    cubes = torch.rand(3, 1, 48, 48, 48)
    with torch.inference_mode():
        expected = network(cubes)
    write_graph(network, cubes[:2], tmp_path / "m.onnx", name="volumes", outputs=OUTPUTS)
    assert (tmp_path / "m.onnx").stat().st_size < 25e6
    session = OnnxRuntimeSession((tmp_path / "m.onnx").read_bytes(), 1)
    for field, value in zip(
        session.run(OUTPUTS, {"volumes": cubes.numpy()}), expected, strict=True
    ):
        scale = float(value.abs().max()) + 1
        assert np.abs(field - value.numpy()).max() < 1e-4 * scale
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    torch.manual_seed(2)
    again = build_volume_network(name, weights=str(tmp_path / "w.safetensors")).eval()
    with torch.inference_mode():
        assert torch.equal(again(cubes).logit, expected.logit)
    assert load_file(tmp_path / "w.safetensors").keys() == network.state_dict().keys()


@every
def test_it_names_who_described_it_and_under_which_licence(name: str) -> None:
    entry = VOLUME_NETWORKS[name]
    assert "20" in entry.paper
    assert entry.licence


@every
def test_what_is_no_cube_is_refused(name: str) -> None:
    network = build_volume_network(name).eval()
    with pytest.raises(ModelError, match="each side 32 or more"):
        network(torch.rand(1, 1, 16, 48, 48))


def test_the_shipped_densenet_fits_a_package_as_halves() -> None:
    network = build_volume_network("densenet121_3d")
    assert sum(2 * one.numel() for one in network.state_dict().values()) < 15e6


def test_slices_begin_from_mobilenet_in_torchvisions_layout(tmp_path: Path) -> None:
    torch.manual_seed(3)
    whole = mobilenet_v2(weights=None).features
    save_file(
        {f"features.{name}": value.contiguous() for name, value in whole.state_dict().items()},
        tmp_path / "mobilenet_v2.safetensors",
    )
    network = build_volume_network("cnn_lstm", weights=str(tmp_path / "mobilenet_v2.safetensors"))
    planes = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        said = network.eval().coarse(network.fine(planes))
        assert torch.equal(said, whole.eval()[:14](planes))
