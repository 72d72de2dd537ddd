"""A plain classifier: a pretrained backbone, global pooling, one logit. The peer to beat."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fracturax.models.backbones import MobileNetV2, build_backbone, build_tint, to_colors


class ClassifierOutput(NamedTuple):
    """What a plain classifier says of a batch.

    Attributes:
        fracture: Image logit, shape `(b,)`.
    """

    fracture: Tensor


class PlainClassifier(nn.Module):
    """Fine-tuned backbone as most papers on fracture data sets publish it."""

    def __init__(
        self,
        backbone: str = "mobilenet_v2",
        weights: str = "random",
        width: int = 0,
        channels: int = 1,
    ) -> None:
        super().__init__()
        self.backbone: MobileNetV2 = build_backbone(backbone, weights)
        self.dropout = nn.Dropout(0.2)
        self.fracture = nn.Linear(self.backbone.channels[-1], 1)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.tint = build_tint(channels)

    mean: Tensor
    std: Tensor

    def forward(self, images: Tensor) -> ClassifierOutput:
        """Return the logit for display values in [0, 1], shape `(b, channels, rows, columns)`."""
        maps = self.backbone(to_colors(images, self.mean, self.std, self.tint))
        return ClassifierOutput(self.fracture(self.dropout(maps[-1].mean(dim=(2, 3))))[:, 0])
