"""The pre-activation ResNet-50 up to stride 16, as a backbone for radiographs."""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from fracturax.core.errors import ModelError
from fracturax.models.backbones import load_weights


class ResNet50(nn.Module):
    """Features of a ResNet-50 v2 at strides 8 and 16: all but its last stage.

    No library that FracturaX builds on offers its weights for download: give a file.

    Args:
        weights: `random`, or the path of a safetensors file with `conv0`, `stage1` to `stage3`
            and their normalization.

    Raises:
        ModelError: If the file cannot be read or does not fit, or for `imagenet`.

    References:
        He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016.
    """

    strides = (8, 16)
    channels = (512, 1024)

    def __init__(self, weights: str) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(3)
        self.conv0 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.stage1 = _stage(64, 256, units=3, stride=1)
        self.stage2 = _stage(256, 512, units=4, stride=2)
        self.stage3 = _stage(512, 1024, units=6, stride=2)
        self.norm = nn.BatchNorm2d(1024)
        if weights == "imagenet":
            raise ModelError(
                "no library offers weights of this backbone for download",
                cure="give the file: --weights FILE.safetensors",
            )
        if weights != "random":
            self._load(Path(weights))

    def _load(self, path: Path) -> None:
        try:
            self.load_state_dict(load_weights(path))
        except RuntimeError as error:
            raise ModelError(
                f"the weights {path.name} are not those of a ResNet-50 v2 up to stride 16",
                got=str(error).splitlines()[1].strip()[:80],
            ) from error

    @property
    def features(self) -> list[nn.Module]:
        """The blocks in order, to freeze the first ones."""
        return [
            nn.ModuleList([self.bn0, self.conv0, self.bn1]),
            self.stage1,
            self.stage2,
            nn.ModuleList([self.stage3, self.norm]),
        ]

    def forward(self, images: Tensor) -> list[Tensor]:  # (b, 3, h, w)
        """Return the feature maps, finest first."""
        stem = F.relu(self.bn1(self.conv0(self.bn0(images))))
        fine = self.stage2(self.stage1(F.max_pool2d(stem, 3, stride=2, padding=1)))
        coarse = self.stage3(fine)
        # A residual sum has no fixed scale; what its next unit makes of it first has.
        unit: _Unit = self.stage3[0]  # type: ignore[assignment]
        return [F.relu(unit.bn1(fine)), F.relu(self.norm(coarse))]


class _Unit(nn.Module):
    """A bottleneck whose normalization stands before each convolution."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        middle = outside // 4
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv1 = nn.Conv2d(inside, middle, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, outside, 1, bias=False)
        self.downsample = (
            nn.Conv2d(inside, outside, 1, stride=stride, bias=False) if inside != outside else None
        )

    def forward(self, maps: Tensor) -> Tensor:
        active = F.relu(self.bn1(maps))
        beside = maps if self.downsample is None else self.downsample(active)
        inner = self.conv2(F.relu(self.bn2(self.conv1(active))))
        added: Tensor = self.conv3(F.relu(self.bn3(inner))) + beside
        return added


def _stage(inside: int, outside: int, *, units: int, stride: int) -> nn.Sequential:
    first = _Unit(inside, outside, stride)
    return nn.Sequential(first, *(_Unit(outside, outside, 1) for _ in range(units - 1)))
