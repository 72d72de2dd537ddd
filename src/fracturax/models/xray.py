"""The radiograph network: one pass gives fracture logit, heat map, boxes, region and hardware."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fracturax.core.anatomy import REGIONS
from fracturax.models.backbones import MobileNetV2, build_backbone, build_tint, to_colors


class XrayOutput(NamedTuple):
    """What the network says of a batch; logits are raw, boxes are in input pixels.

    Attributes:
        fracture: Image logit, shape `(b,)`.
        heat: Logits of the fracture mask at stride 8, shape `(b, rows, columns)`.
        box_logits: Logits of the candidate boxes of all levels, shape `(b, n)`.
        boxes: `(row_min, column_min, row_max, column_max)` in input pixels, shape `(b, n, 4)`.
        regions: Logits in the order of `REGIONS`, shape `(b, 4)`.
        hardware: Logit of metal implants, shape `(b,)`.
        embedding: Pooled features, shape `(b, 1280)`.
        texture: Mean and standard deviation of each feature at stride 16, for the scope check,
            shape `(b, 2 * 96)`.
    """

    fracture: Tensor
    heat: Tensor
    box_logits: Tensor
    boxes: Tensor
    regions: Tensor
    hardware: Tensor
    embedding: Tensor
    texture: Tensor


class Pyramid(nn.Module):
    """Top-down feature pyramid (Lin et al., CVPR 2017) with depthwise-separable smoothing."""

    def __init__(self, channels: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)
        self.smooth = nn.ModuleList(_separable(width) for _ in channels)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return maps of equal width, finest first, each informed by all coarser ones."""
        sides = [lateral(features) for lateral, features in zip(self.lateral, maps, strict=True)]
        for level in range(len(sides) - 2, -1, -1):
            sides[level] = sides[level] + F.interpolate(
                sides[level + 1], size=sides[level].shape[-2:], mode="nearest"
            )
        return [smooth(side) for smooth, side in zip(self.smooth, sides, strict=True)]


class BoxHead(nn.Module):
    """Anchor-free boxes: at each cell a logit and the distances to the four sides.

    The head is shared by all levels; each level scales its distances (Tian et al., "FCOS",
    ICCV 2019). Distances are `softplus`, in strides, hence never negative.
    """

    def __init__(self, width: int, strides: tuple[int, ...]) -> None:
        super().__init__()
        self.strides = strides
        self.tower = nn.Sequential(_separable(width), _separable(width))
        self.logit = nn.Conv2d(width, 1, 3, padding=1)
        self.sides = nn.Conv2d(width, 4, 3, padding=1)
        self.scale = nn.Parameter(torch.ones(len(strides)))
        # A prior of 1 % keeps the many empty cells from swamping the first steps (RetinaNet).
        nn.init.constant_(self.logit.bias, -4.6)  # type: ignore[arg-type]
        nn.init.constant_(self.sides.bias, 1.5)  # type: ignore[arg-type]

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return logits `(b, n)` and boxes `(b, n, 4)` in input pixels."""
        logits, boxes = [], []
        for level, (features, stride) in enumerate(zip(maps, self.strides, strict=True)):
            tower = self.tower(features)
            logits.append(self.logit(tower).flatten(1))
            distances = F.softplus(self.sides(tower).float() * self.scale[level]) * stride
            distances = distances.flatten(2).transpose(1, 2)  # (b, cells, 4)
            centers = cell_centers(features, stride)  # (cells, 2)
            boxes.append(
                torch.cat([centers - distances[..., :2], centers + distances[..., 2:]], dim=-1)
            )
        return torch.cat(logits, dim=1), torch.cat(boxes, dim=1)


class XrayNetwork(nn.Module):
    """Reads a normalized radiograph `(b, channels, rows, columns)`; sides are multiples of 32.

    The image logit sees the pooled trunk and the pyramid's features pooled where the heat map
    is high, so that a small fracture is not averaged away. A second channel shows its bones.
    """

    def __init__(
        self,
        backbone: str = "mobilenet_v2",
        weights: str = "random",
        width: int = 96,
        channels: int = 1,
    ) -> None:
        super().__init__()
        self.backbone: MobileNetV2 = build_backbone(backbone, weights)
        self.pyramid = Pyramid(self.backbone.channels, width)
        self.heat = nn.Sequential(_separable(width), nn.Conv2d(width, 1, 1))
        self.boxes = BoxHead(width, self.backbone.strides)
        trunk = self.backbone.channels[-1]
        self.dropout = nn.Dropout(0.2)
        self.fracture = nn.Linear(trunk + width + 1, 1)
        self.context = nn.Linear(trunk, len(REGIONS) + 1)
        nn.init.constant_(self.heat[1].bias, -4.6)  # type: ignore[arg-type]
        # ImageNet statistics of the mean grey value; the input is grey in [0, 1].
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.tint = build_tint(channels)

    mean: Tensor
    std: Tensor

    def forward(self, images: Tensor) -> XrayOutput:
        """Return all answers for display values in [0, 1], shape `(b, channels, rows, columns)`."""
        maps = self.backbone(to_colors(images, self.mean, self.std, self.tint))
        trunk = maps[-1].mean(dim=(2, 3))
        levels = self.pyramid(maps)
        heat = self.heat(levels[0])[:, 0]
        evidence, peak = pool_by_heat(levels[0], heat)
        logits, boxes = self.boxes(levels)
        context = self.context(self.dropout(trunk))
        fracture = self.fracture(self.dropout(torch.cat([trunk, evidence, peak], dim=1)))
        return XrayOutput(
            fracture=fracture[:, 0],
            heat=heat,
            box_logits=logits,
            boxes=boxes,
            regions=context[:, : len(REGIONS)],
            hardware=context[:, -1],
            embedding=trunk,
            texture=_mean_and_spread(maps[1]),
        )


def _mean_and_spread(features: Tensor) -> Tensor:
    """Return mean and standard deviation over the places of a map: `(b, c, h, w)` to `(b, 2c)`."""
    flat = features.flatten(2).float()
    mean = flat.mean(dim=2)
    variance = (flat - mean[..., None]).square().mean(dim=2)
    return torch.cat([mean, variance.sqrt()], dim=1)


def pool_by_heat(features: Tensor, heat: Tensor) -> tuple[Tensor, Tensor]:
    """Average features `(b, c, h, w)` where heat logits `(b, h, w)` are high.

    Returns:
        The softmax-weighted features `(b, c)` and the smooth maximum of the heat `(b, 1)`.
    """
    flat = heat.flatten(1).float()
    weights = torch.softmax(flat, dim=1).to(features.dtype)
    pooled = (features.flatten(2) * weights[:, None]).sum(dim=2)
    peak = (torch.softmax(flat, dim=1) * flat).sum(dim=1, keepdim=True)
    # Logits of a rare class idle near -5; bring them to the scale of the other features.
    return pooled, (peak / 4.0).to(features.dtype)


def cell_centers(features: Tensor, stride: int) -> Tensor:
    """Return the centres `(row, column)` of a map's cells in input pixels, shape `(cells, 2)`."""
    rows, columns = features.shape[-2:]
    device = features.device
    row = (torch.arange(rows, device=device, dtype=torch.float32) + 0.5) * stride
    column = (torch.arange(columns, device=device, dtype=torch.float32) + 0.5) * stride
    grid = torch.stack(torch.meshgrid(row, column, indexing="ij"), dim=-1)
    return grid.reshape(-1, 2)


def _separable(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU6(),
    )
