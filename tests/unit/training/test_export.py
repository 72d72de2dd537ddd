"""What half precision cannot hold stays whole."""

from __future__ import annotations

import torch
from torch import nn

from fracturax.training.export import round_to_half


def test_statistics_beyond_half_precision_stay_whole() -> None:
    layer = nn.BatchNorm2d(2).eval()
    assert layer.running_mean is not None and layer.running_var is not None
    layer.running_mean.copy_(torch.tensor([1e6, -3e5]))
    layer.running_var.copy_(torch.tensor([1e-9, 1e10]))
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    nn.init.constant_(layer.weight, 1 / 3)
    round_to_half(layer)
    assert torch.equal(layer.running_mean, before["running_mean"])
    assert torch.equal(layer.running_var, before["running_var"])
    assert layer.weight[0].item() == torch.tensor(1 / 3).half().item()
    assert torch.isfinite(layer(torch.rand(1, 2, 3, 3) * 1e6)).all()
