"""What every encoder of a U-Net obeys."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fracturax.models.catalog import ENCODERS
from fracturax.models.unet import UNet

every = pytest.mark.parametrize("name", list(ENCODERS))


@every
def test_it_is_built_answers_any_size_and_comes_back_from_a_file(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = UNet(name).eval()
    assert sum(one.numel() for one in network.parameters()) == ENCODERS[name].parameters
    images = torch.rand(2, 1, 65, 70)
    with torch.inference_mode():
        answer = network(images).mask
        alone = torch.cat([network(image[None]).mask for image in images])
    assert answer.shape == (2, 65, 70)
    # Untrained, the logits of a deep encoder can be of any size.
    assert (answer - alone).abs().max() <= 1e-4 * answer.abs().max().clamp(min=1)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    again = UNet(name).eval()
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    with torch.inference_mode():
        assert torch.equal(again(images).mask, answer)


@every
def test_it_names_who_described_it_and_under_which_licence(name: str) -> None:
    entry = ENCODERS[name]
    assert "20" in entry.paper
    assert entry.licence
    assert entry.parameters / 1e6 == pytest.approx(entry.paper_parameters, rel=0.3)


@every
def test_its_statistics_follow_a_training_of_some_hundred_steps(name: str) -> None:
    network = UNet(name).train()
    norms = [one for one in network.modules() if isinstance(one, torch.nn.BatchNorm2d)]
    starts = [norm.running_mean.clone() for norm in norms if norm.running_mean is not None]
    # 0.9 to the power of 60 is below 1 %: of what they began from nothing is left.
    for norm in norms:
        seen = torch.ones(2, norm.num_features, 2, 2)
        for _ in range(60):
            norm(seen)
    assert len(starts) == len(norms)
    for norm in norms:
        assert norm.running_mean is not None
        assert torch.allclose(norm.running_mean, torch.ones(norm.num_features), atol=0.01)
