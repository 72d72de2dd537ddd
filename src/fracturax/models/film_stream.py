"""Networks of the X-ray stream: a crop of a film in; a logit, a feature vector and a map out."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fracturax.core.errors import ModelError
from fracturax.models.backbones import FineMobileNetV2
from fracturax.models.blocks import TransformerBlock
from fracturax.models.catalog import FILM_STREAMS

CELL_PX = 8
"""Pixels of the crop for one cell of the fracture map, along each axis."""
WIDTH = 48
"""Channels of the joined map; the features are twice as many."""
_SHARPNESS = 4.0


class FilmStreamOutput(NamedTuple):
    """What a network says of a batch of crops.

    Attributes:
        logit: A fracture lies inside, shape `(b,)`.
        features: What a fusion takes, shape `(b, 2 * WIDTH)`.
        map: Logit of a fracture cell by cell, shape `(b, rows / 8, columns / 8)`.
    """

    logit: Tensor
    features: Tensor
    map: Tensor


class FilmEvidence(nn.Module):
    """From a feature map to a map of where, and from its hot spot to a logit and features.

    The logit is the map's soft maximum: a fracture line is thin, and a head on the mean learns
    what a patient looks like.

    Args:
        channels: Of the feature map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.join = nn.Conv2d(channels, WIDTH, 1)
        self.dropout = nn.Dropout2d(0.2)
        self.heat = nn.Conv2d(WIDTH, 1, 1)
        # Most cells hold no fracture: begin from there.
        nn.init.constant_(self.heat.bias, -2.0)  # type: ignore[arg-type]
        self.out = nn.Linear(1, 1)
        nn.init.ones_(self.out.weight)

    def forward(self, joined: Tensor) -> FilmStreamOutput:
        """Return the answer for a map `(b, c, h, w)`."""
        joined = self.dropout(F.relu(self.join(joined)))
        heat = self.heat(joined)[:, 0].float()  # (b, h, w)
        flat = _SHARPNESS * heat.flatten(1)
        peak = torch.logsumexp(flat, dim=1, keepdim=True) / _SHARPNESS
        cells = joined.float().flatten(2)  # (b, c, cells)
        hot = (cells * torch.softmax(flat, dim=1)[:, None]).sum(dim=2)
        features = torch.cat([hot, cells.mean(dim=2)], dim=1)
        return FilmStreamOutput(self.out(peak)[:, 0], features, heat)


class FilmStem(nn.Module):
    """MobileNetV2 up to stride 8, as ImageNet taught it; no patient's film ever changes it.

    Args:
        weights: `random`, `imagenet`, or the path of a safetensors file.
    """

    channels = 32

    def __init__(self, weights: str = "random") -> None:
        super().__init__()
        self.features = FineMobileNetV2(weights).features[:7]
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    mean: Tensor
    std: Tensor

    def train(self, mode: bool = True) -> FilmStem:
        """Stay in evaluation mode: the statistics are ImageNet's too."""
        return super().train(False)

    def forward(self, films: Tensor) -> Tensor:
        """Return the map `(b, 32, rows / 8, columns / 8)` of crops `(b, 1, rows, columns)`."""
        _check_crops(films)
        made: Tensor = self.features((films - self.mean) / self.std)
        return made


class FilmCnn(nn.Module):
    """MobileNetV2 up to stride 16 on a stem that stays, its maps of strides 8 and 16 joined.

    Args:
        weights: `random`, `imagenet`, or the path of a safetensors file.

    Example:
        >>> answer = FilmCnn().eval()(torch.zeros(1, 1, 112, 112))
        >>> answer.logit.shape, answer.features.shape, answer.map.shape
        (torch.Size([1]), torch.Size([1, 96]), torch.Size([1, 14, 14]))
    """

    def __init__(self, weights: str = "random") -> None:
        super().__init__()
        self.stem = FilmStem(weights)
        self.blocks = FineMobileNetV2(weights).features[7:14]
        self.evidence = FilmEvidence(32 + 96)

    def answer(self, fine: Tensor) -> FilmStreamOutput:
        """Return logit, features and map for what the stem made of crops."""
        coarse = F.interpolate(self.blocks(fine), size=fine.shape[2:], mode="nearest")
        said: FilmStreamOutput = self.evidence(torch.cat([fine, coarse], dim=1))
        return said

    def forward(self, films: Tensor) -> FilmStreamOutput:
        """Return logit, features and map of crops `(b, 1, rows, columns)` in [0, 1]."""
        return self.answer(self.stem(films))


class FilmTransformer(nn.Module):
    """A small hybrid vision transformer: cells of the same stem as words, four blocks.

    Args:
        weights: Of the stem, as those of `FilmCnn`.

    References:
        Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021 (hybrid architecture).
    """

    _width, _cells = 96, 7

    def __init__(self, weights: str = "random") -> None:
        super().__init__()
        self.stem = FilmStem(weights)
        self.patches = nn.Conv2d(FilmStem.channels, self._width, 2, stride=2)
        self.places = nn.Parameter(0.02 * torch.randn(1, self._cells**2, self._width))
        self.blocks = nn.Sequential(*(TransformerBlock(self._width, heads=4) for _ in range(4)))
        self.norm = nn.LayerNorm(self._width)
        self.evidence = FilmEvidence(self._width)

    def answer(self, fine: Tensor) -> FilmStreamOutput:
        """Return logit, features and map for what the stem made of crops of 112 x 112."""
        if fine.shape[2:] != (2 * self._cells,) * 2:
            raise ModelError("the film transformer takes crops of 112 x 112 pixels")
        tokens = self.patches(fine).flatten(2).transpose(1, 2)
        tokens = self.norm(self.blocks(tokens + self.places))  # (b, cells, c)
        joined = tokens.transpose(1, 2).unflatten(2, (self._cells, self._cells))
        joined = F.interpolate(joined, scale_factor=2.0, mode="nearest")
        said: FilmStreamOutput = self.evidence(joined)
        return said

    def forward(self, films: Tensor) -> FilmStreamOutput:
        """Return logit, features and map of crops `(b, 1, 112, 112)` in [0, 1]."""
        return self.answer(self.stem(films))


def build_film_stream(name: str, *, weights: str = "random") -> FilmCnn | FilmTransformer:
    """Build a network of the X-ray stream.

    Raises:
        UnknownNameError: If there is no such network.
        ModelError: If the weights cannot be read.
    """
    network: FilmCnn | FilmTransformer = FILM_STREAMS.load(name)(weights)
    return network


def _check_crops(films: Tensor) -> None:
    sides = films.shape[2:] if films.ndim == 4 else ()
    if films.ndim != 4 or films.shape[1] != 1 or any(side % CELL_PX or not side for side in sides):
        raise ModelError(
            f"the X-ray stream takes (batch, 1, rows, columns), sides multiples of {CELL_PX}",
            got=str(tuple(films.shape)),
        )
