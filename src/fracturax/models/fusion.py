"""Fusion: what several streams say of one place becomes one answer, whichever of them are there.

A stream's vector becomes a token; that of an absent stream is learned, and what stands in its place
in the input has no influence. A way of fusing makes one vector of the tokens and says with which
weights; the vector is all that the head sees, so the weights are what they say.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fracturax.core.errors import ModelError
from fracturax.models.blocks import TransformerBlock
from fracturax.models.catalog import FUSIONS
from fracturax.models.streams import STREAMS, StreamSizes

_XRAY, _CT = STREAMS.index("xray"), STREAMS.index("ct")
_FAR, _TINY, _NOWHERE = 6.0, 1e-9, -20.0
_PARTS = 4


class FusionOutput(NamedTuple):
    """What a fusion says of a batch.

    Attributes:
        logits: One a class, shape `(b, classes)`; generated features take part.
        real_logits: The same from what is present alone; equal where nothing is generated.
        weights: Share of each stream, shape `(b, 5)`; 0 where it is absent, their sum is 1.
        xray_where: Logit of a fracture, cell by cell of the film, shape of the input's.
        ct_where: The same of the CT.
    """

    logits: Tensor
    real_logits: Tensor
    weights: Tensor
    xray_where: Tensor
    ct_where: Tensor


class Fused(NamedTuple):
    """One vector of several tokens, shape `(b, width)`, and the weights, `(b, 5)`."""

    vector: Tensor
    weights: Tensor


class Concatenation(nn.Module):
    """All tokens side by side, and one matrix; a stream's weight is its share of what is added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(width, width) for _ in STREAMS)

    def forward(self, tokens: Tensor, present: Tensor) -> Fused:
        """Fuse tokens `(b, 5, width)`."""
        # A matrix on tokens side by side is a sum of one matrix a token.
        added = torch.stack(
            [part(tokens[:, index]) for index, part in enumerate(self.parts)], dim=1
        )
        return Fused(added.sum(dim=1), _shares(added.norm(dim=2) + _TINY, present))


class Attention(nn.Module):
    """A score from each token and the mean of all; the softmax over present streams weighs them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(2 * width, width), nn.Tanh(), nn.Linear(width, 1))
        self.value = nn.Linear(width, width)

    def forward(self, tokens: Tensor, present: Tensor) -> Fused:
        """Fuse tokens `(b, 5, width)`."""
        around = tokens.mean(dim=1, keepdim=True).expand_as(tokens)
        scores = self.score(torch.cat([tokens, around], dim=2))[:, :, 0]
        weights = _softmax(scores, present)
        return Fused((weights[:, :, None] * self.value(tokens)).sum(dim=1), weights)


class Gated(nn.Module):
    """A gate of its own for each stream, opened by all tokens together."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(len(STREAMS) * width, len(STREAMS))
        self.value = nn.Linear(width, width)

    def forward(self, tokens: Tensor, present: Tensor) -> Fused:
        """Fuse tokens `(b, 5, width)`."""
        gates = torch.sigmoid(self.gate(tokens.flatten(1)))
        weights = _shares(gates + _TINY, present)
        return Fused((weights[:, :, None] * torch.tanh(self.value(tokens))).sum(dim=1), weights)


class CrossAttention(nn.Module):
    """Questions, learned and of the case, look at the present tokens with several heads."""

    heads = 4

    def __init__(self, width: int) -> None:
        super().__init__()
        self.question = nn.Parameter(0.02 * torch.randn(1, width))
        self.asked, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.joined = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, tokens: Tensor, present: Tensor) -> Fused:
        """Fuse tokens `(b, 5, width)`."""
        asked = (self.question + self.asked(tokens.mean(dim=1))).unflatten(1, (self.heads, -1))
        keys = self.key(tokens).unflatten(2, (self.heads, -1))  # (b, 5, heads, c)
        scores = (keys * asked[:, None]).sum(dim=3) / keys.shape[3] ** 0.5
        weights = _softmax(scores, present[:, :, None])  # (b, 5, heads)
        values = self.value(tokens).unflatten(2, (self.heads, -1))
        seen = (weights[:, :, :, None] * values).sum(dim=1).flatten(1)
        return Fused(self.joined(seen), weights.mean(dim=2))


class FeatureGenerator(nn.Module):
    """From the token of one modality to one that the other might have."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, 2 * width), nn.LeakyReLU(0.2), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens `(b, width)` of the other modality; they are synthetic."""
        made: Tensor = tokens + self.layers(tokens)
        return made


class FeatureDiscriminator(nn.Module):
    """Tells tokens of a modality from generated ones; used in training only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, 2 * width), nn.LeakyReLU(0.2), nn.Linear(2 * width, 1)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return how real tokens look, shape `(b, 1)`."""
        said: Tensor = self.layers(tokens)
        return said


class Generative(Attention):
    """Attention over what is present, and the token of a modality that is missing, generated.

    For a film without CT, or a CT without film, the other's token is made from the one there is and
    added behind a gate. It takes no share of the weights.

    References:
        Zhu et al., "Unpaired image-to-image translation using cycle-consistent adversarial
        networks", ICCV 2017; here the two domains are tokens, not images.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.to_ct, self.to_xray = FeatureGenerator(width), FeatureGenerator(width)
        self.gate = nn.Sequential(nn.Linear(2 * width, 1), nn.Sigmoid())
        self.synthetic = nn.Linear(width, width)

    def add_generated(self, fused: Tensor, tokens: Tensor, present: Tensor) -> Tensor:
        """Return the fused vector with what was generated for the modality that is missing."""
        has_xray, has_ct = present[:, _XRAY : _XRAY + 1], present[:, _CT : _CT + 1]
        made_ct, made_xray = self.to_ct(tokens[:, _XRAY]), self.to_xray(tokens[:, _CT])
        made = torch.where(has_xray, made_ct, made_xray)
        added = self.gate(torch.cat([fused, made], dim=1)) * self.synthetic(made)
        return torch.where(has_xray ^ has_ct, fused + added, fused)


class Fusion(nn.Module):
    """Streams to one answer: tokens, a way of fusing, and a head with Transformer blocks.

    Args:
        fusion: Name in the registry of fusions.
        sizes: How many numbers each stream brings.
        width: Channels of a token; a multiple of 8.
        classes: Two for *fracture or not*, more for several kinds.
        blocks: Transformer blocks of the head.
        dropout: Share of channels that training drops.

    Raises:
        UnknownNameError: If there is no such fusion.
        ModelError: If the sizes make no network.

    Example:
        >>> network = Fusion("attention", StreamSizes(xray=4, ct=6)).eval()
        >>> answer = network(*blank_inputs(StreamSizes(xray=4, ct=6), ("ct",)))
        >>> answer.logits.shape, answer.weights[0].tolist()
        (torch.Size([1, 2]), [0.0, 1.0, 0.0, 0.0, 0.0])
    """

    def __init__(
        self,
        fusion: str,
        sizes: StreamSizes,
        *,
        width: int = 32,
        classes: int = 2,
        blocks: int = 1,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if classes < 2 or width < 8 or width % 8:
            raise ModelError(
                "a fusion has two classes or more and a width that is a multiple of 8",
                got=f"{classes} classes, width {width}",
            )
        self.is_generative = FUSIONS[fusion].is_generative
        self.embed = nn.ModuleList(nn.Linear(size, width) for size in sizes.as_tuple())
        for name, size in zip(STREAMS, sizes.as_tuple(), strict=True):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_std", torch.ones(size))
        self.absent = nn.Parameter(0.02 * torch.randn(len(STREAMS), width))
        self.place = nn.Parameter(0.02 * torch.randn(len(STREAMS), width))
        self.dropout = nn.Dropout(dropout)
        self.fuse: nn.Module = FUSIONS.load(fusion)(width)
        self.spread = nn.Linear(width, _PARTS * width)
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads=2) for _ in range(blocks)))
        self.out = nn.Sequential(
            nn.LayerNorm(_PARTS * width),
            nn.Linear(_PARTS * width, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, classes),
        )
        self.shift = nn.Linear(width, 2)
        self.scale = nn.Parameter(torch.ones(2))

    def set_scale(self, name: str, mean: Tensor, std: Tensor) -> None:
        """Keep mean and deviation of a stream's numbers, as training patients have them."""
        self.get_buffer(f"{name}_mean").copy_(mean)
        self.get_buffer(f"{name}_std").copy_(std.clamp(min=1e-6))

    def tokens(self, streams: tuple[Tensor, ...], present: Tensor) -> Tensor:
        """Return one token a stream, shape `(b, 5, width)`; a learned one where it is absent."""
        made = []
        for index, (name, vector) in enumerate(zip(STREAMS, streams, strict=True)):
            there = present[:, index : index + 1]
            mean, std = self.get_buffer(f"{name}_mean"), self.get_buffer(f"{name}_std")
            # Chosen before any arithmetic: even a NaN in an absent stream goes nowhere.
            known = torch.where(there, vector, mean)
            even = ((known - mean) / std).clamp(-_FAR, _FAR)
            token = F.gelu(self.embed[index](self.dropout(even)))
            made.append(torch.where(there, token, self.absent[index]) + self.place[index])
        return torch.stack(made, dim=1)

    def answer(self, vector: Tensor) -> Tensor:
        """Return the logits of fused vectors."""
        parts = self.blocks(self.spread(self.dropout(vector)).unflatten(1, (_PARTS, -1)))
        logits: Tensor = self.out(parts.flatten(1))
        return logits

    def forward(
        self,
        xray: Tensor,
        ct: Tensor,
        radiomics_film: Tensor,
        radiomics_ct: Tensor,
        clinical: Tensor,
        present: Tensor,
        xray_map: Tensor,
        ct_map: Tensor,
    ) -> FusionOutput:
        """Return the answer.

        Args:
            xray: Features of the X-ray stream, shape `(b, d)`; so the next four.
            ct: Features of the CT stream.
            radiomics_film: Radiomics of the film.
            radiomics_ct: Radiomics of the CT.
            clinical: Clinical fields as numbers.
            present: Which streams are there, bool, shape `(b, 5)`; at least one of each case.
            xray_map: The X-ray stream's own map, shape `(b, h, w)`.
            ct_map: The CT stream's own map, shape `(b, d, h, w)`.
        """
        streams = (xray, ct, radiomics_film, radiomics_ct, clinical)
        tokens = self.tokens(streams, present)
        fused, weights = self.fuse(tokens, present)
        real = self.answer(fused)
        completed = real
        if self.is_generative:
            assert isinstance(self.fuse, Generative)
            completed = self.answer(self.fuse.add_generated(fused, tokens, present))
        shift = self.shift(fused)
        maps = [
            _moved(own, present[:, stream], self.scale[index], shift[:, index])
            for index, (own, stream) in enumerate(((xray_map, _XRAY), (ct_map, _CT)))
        ]
        return FusionOutput(completed, real, weights, *maps)


def blank_inputs(
    sizes: StreamSizes,
    names: tuple[str, ...],
    *,
    batch: int = 1,
    xray_cells: int = 14,
    ct_cells: int = 6,
) -> tuple[Tensor, ...]:
    """Return inputs of zeros in the order of `INPUTS`, with some streams said to be present."""
    there = torch.tensor([name in names for name in STREAMS]).expand(batch, -1)
    return (
        *(torch.zeros(batch, size) for size in sizes.as_tuple()),
        there.clone(),
        torch.zeros(batch, xray_cells, xray_cells),
        torch.zeros(batch, ct_cells, ct_cells, ct_cells),
    )


def _moved(own: Tensor, there: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return a stream's own map, moved by what all streams say; nowhere if it is absent."""
    sides = (-1,) + (1,) * (own.ndim - 1)
    shown = there.reshape(sides)
    return torch.where(shown, scale * torch.where(shown, own, 0.0) + shift.reshape(sides), _NOWHERE)


def _softmax(scores: Tensor, present: Tensor) -> Tensor:
    """Return the softmax over present streams (axis 1); 0 for the absent."""
    return torch.softmax(scores.masked_fill(~present, -1e9), dim=1) * present


def _shares(sizes: Tensor, present: Tensor) -> Tensor:
    """Return positive sizes as shares of their sum over present streams."""
    kept = sizes * present
    return kept / kept.sum(dim=1, keepdim=True)
