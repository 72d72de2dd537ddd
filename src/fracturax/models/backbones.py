"""Pretrained feature extractors for radiographs: an image in, one feature map a stride out."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from fracturax.core.errors import ModelError
from fracturax.models.catalog import BACKBONES


class MobileNetV2(nn.Module):
    """Features of torchvision's MobileNetV2 at strides 8, 16 and 32.

    References:
        Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.
    """

    strides = (8, 16, 32)
    channels = (32, 96, 1280)
    _ends = (7, 14, 19)

    def __init__(self, weights: str) -> None:
        super().__init__()
        from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

        try:
            network = mobilenet_v2(
                weights=MobileNet_V2_Weights.IMAGENET1K_V1 if weights == "imagenet" else None
            )
        except (OSError, RuntimeError) as error:  # no network, a proxy, a cut-off download
            raise ModelError(
                "the pretrained weights cannot be downloaded",
                got=type(error).__name__,
                cure="get the file another way and give it: --weights FILE.safetensors",
            ) from error
        if weights not in ("imagenet", "random"):
            network.load_state_dict(load_weights(Path(weights)))
        self.features = network.features[: self._ends[-1]]

    def forward(self, images: Tensor) -> list[Tensor]:  # (b, 3, h, w)
        """Return the feature maps, finest first."""
        maps, start = [], 0
        for end in self._ends:
            images = self.features[start:end](images)
            maps.append(images)
            start = end
        return maps


class FineMobileNetV2(MobileNetV2):
    """Features at strides 4, 8 and 16, without the last blocks: for small, enlarged windows."""

    strides = (4, 8, 16)
    channels = (24, 32, 96)
    _ends = (4, 7, 14)


def build_tint(channels: int) -> nn.Conv2d | None:
    """Return what the channels behind a film add to its three colours; None where there are none.

    It starts from nothing, so that a pretrained network starts as the one that sees the film alone;
    and it stands before the backbone, so that it learns where the backbone's first blocks do not.
    """
    if channels == 1:
        return None
    tint = nn.Conv2d(channels - 1, 3, 3, padding=1, bias=False)
    nn.init.zeros_(tint.weight)
    return tint


def to_colors(images: Tensor, mean: Tensor, std: Tensor, tint: nn.Conv2d | None) -> Tensor:
    """Return a film with its further channels, `(b, channels, h, w)`, as colours `(b, 3, h, w)`."""
    if tint is None:
        return (images - mean) / std
    colors: Tensor = (images[:, :1] - mean) / std + tint(images[:, 1:])
    return colors


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read safetensors of any float precision as float32.

    Raises:
        ModelError: If the file is not there or no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"the weights {path.name} cannot be read",
            got=type(error).__name__,
            cure="give a safetensors file, or 'imagenet' to download the library's own",
        ) from error
    return {
        name: value.to(torch.float32) if value.is_floating_point() else value
        for name, value in state.items()
    }


def build_backbone(name: str, weights: str) -> MobileNetV2:
    """Build a backbone with `weights`: `imagenet`, `random`, or the path of a safetensors file."""
    backbone: MobileNetV2 = BACKBONES.load(name)(weights)
    return backbone
