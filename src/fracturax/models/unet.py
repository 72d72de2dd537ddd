"""U-Nets that mark the bones of the pelvis in a radiograph, on six known encoders."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fracturax.core.errors import ModelError
from fracturax.models.backbones import load_weights
from fracturax.models.catalog import ENCODERS

RANDOM = "random"
"""In place of a file of weights: the encoder begins from scratch."""
_STRIDE = 32
_MOMENTUM = 0.1


class UNetOutput(NamedTuple):
    """What a U-Net says of a batch.

    Attributes:
        mask: Logit of bone, shape `(b, rows, columns)`.
    """

    mask: Tensor


class UNet(nn.Module):
    """A U-Net of segmentation_models_pytorch; takes display values `(b, 1, rows, columns)`.

    Args:
        encoder: Name in the registry of encoders.
        weights: `random`, or the path of a safetensors file in the encoder's own layout.

    Raises:
        UnknownNameError: If there is no such encoder.
        ModelError: If the weights cannot be read or do not fit. Nothing is ever downloaded.

    References:
        Ronneberger et al., "U-Net", MICCAI 2015. "Pelvic bone region segmentation (PBRS) from X-ray
        image using convolutional neural network (CNN)", ICCIT 2023.

    Example:
        >>> network = UNet("mobilenet_v2").eval()
        >>> network(torch.zeros(1, 1, 40, 70)).mask.shape
        torch.Size([1, 40, 70])
    """

    def __init__(self, encoder: str = "mobilenet_v2", weights: str = RANDOM) -> None:
        super().__init__()
        import segmentation_models_pytorch as smp

        self.unet = smp.Unet(
            ENCODERS[encoder].library_name, encoder_weights=None, in_channels=3, classes=1
        )
        # EfficientNet's statistics follow by 1 % a step, for ImageNet's million steps. After some
        # hundred they would still be near their start, and the trained network blind when it reads.
        for module in self.unet.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = _MOMENTUM
        if weights != RANDOM:
            _load_encoder(self.unet.encoder, Path(weights))
        # ImageNet statistics; the input is grey in [0, 1].
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    mean: Tensor
    std: Tensor

    def forward(self, images: Tensor) -> UNetOutput:
        """Return the logits of a batch of any size; black is laid around to a multiple of 32."""
        rows, columns = images.shape[-2:]
        below, beside = -rows % _STRIDE, -columns % _STRIDE
        if below or beside:
            images = F.pad(images, (0, beside, 0, below))
        logits = self.unet((images - self.mean) / self.std)
        return UNetOutput(logits[:, 0, :rows, :columns])


def _load_encoder(encoder: nn.Module, path: Path) -> None:
    """Load an encoder's weights; what the file has beyond it, such as a classifier, is left out."""
    wanted = encoder.state_dict()
    found = load_weights(path)
    missing = sorted(
        name
        for name, value in wanted.items()
        if name not in found or found[name].shape != value.shape
    )
    # How many batches a normalization has seen decides nothing.
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing:
        raise ModelError(
            f"the weights {path.name} do not fit the encoder",
            got=f"{len(missing)} of {len(wanted)} tensors missing, such as {missing[0]}",
            cure="give the encoder's own layout, or weights = 'random'",
        )
    nn.Module.load_state_dict(
        encoder, {name: found.get(name, value) for name, value in wanted.items()}
    )
