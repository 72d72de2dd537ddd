"""How a network of the X-ray stream is trained: crops of films, with the map of the fracture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from fracturax.core.progress import Progress, silent
from fracturax.models.film_stream import (
    CELL_PX,
    FilmCnn,
    FilmStem,
    FilmStreamOutput,
    FilmTransformer,
    build_film_stream,
)
from fracturax.training.guards import require_number, require_numbers

SIDE_PX = 112
"""Rows and columns that the network sees of a crop."""
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class StoredCrops:
    """Crops of films in memory.

    Args:
        pixels: Display values in [0, 1], shape `(n, rows, columns)`, larger than the input.
        fracture: Where a fracture is projected to, same shape.
        label: Whether there is one, shape `(n,)`.
        group: Number of the patient, shape `(n,)`; every group counts alike in training.
    """

    pixels: Floats
    fracture: npt.NDArray[np.bool_]
    label: npt.NDArray[np.bool_]
    group: npt.NDArray[np.int64]

    def part(self, chosen: npt.NDArray[np.bool_]) -> StoredCrops:
        """Return some of the crops."""
        return StoredCrops(
            self.pixels[chosen], self.fracture[chosen], self.label[chosen], self.group[chosen]
        )


@dataclass(frozen=True)
class StreamPace:
    """How a stream's network is trained.

    Args:
        epochs: Passes; one draws as many crops as there are, balanced over patients and labels.
        batch_size: Crops a step.
        learning_rate: Of AdamW at its height; it rises and falls in one cycle.
        map_weight: Of the map's loss beside that of the logit.
        seed: Of the initialisation, the draws and every augmentation.
    """

    epochs: int = 6
    batch_size: int = 32
    learning_rate: float = 1e-3
    map_weight: float = 1.0
    seed: int = 0


def cells_of(fracture: npt.NDArray[np.bool_], *, cell: int = CELL_PX) -> npt.NDArray[np.bool_]:
    """Return which cells of the map hold a fracture.

    Args:
        fracture: Shape `(n, ...)`, sides multiples of `cell`.
        cell: Pixels or voxels of a cell's side.

    Example:
        >>> where = np.zeros((1, 16, 16), bool); where[0, 3, 12] = True
        >>> cells_of(where)[0].astype(int).tolist()
        [[0, 1], [0, 0]]
    """
    count, *sides = fracture.shape
    split = [size for side in sides for size in (side // cell, cell)]
    inside = tuple(range(2, 2 + 2 * len(sides), 2))
    return np.asarray(fracture.reshape(count, *split).any(axis=inside))


def central(arrays: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """Return the middle of arrays `(n, ...)`, `side` along each axis after the first."""
    part = tuple(slice((size - side) // 2, (size - side) // 2 + side) for size in arrays.shape[1:])
    return arrays[(slice(None), *part)]


@dataclass(frozen=True, eq=False)
class StemViews:
    """What the stem makes of crops: the middle first, then changed views of each.

    Args:
        fine: Maps of the stem, float16, shape `(views, n, channels, rows / 8, columns / 8)`.
        cells: Which cells hold a fracture, shape `(views, n, rows / 8, columns / 8)`.
        group: Number of the patient, shape `(n,)`.
        label: Whether the crop holds a fracture, shape `(n,)`.
    """

    fine: npt.NDArray[np.float16]
    cells: npt.NDArray[np.bool_]
    group: npt.NDArray[np.int64]
    label: npt.NDArray[np.bool_]

    def part(self, chosen: npt.NDArray[np.bool_]) -> StemViews:
        """Return the views of some crops."""
        return StemViews(
            self.fine[:, chosen], self.cells[:, chosen], self.group[chosen], self.label[chosen]
        )


def make_views(stem: FilmStem, crops: StoredCrops, *, views: int, seed: int) -> StemViews:
    """Return what the stem makes of the middle of crops and of `views` changed ones.

    The stem is the same for every fold, so this is done once for all of them.
    """
    generator = np.random.default_rng(seed)
    fine, cells = [], []
    for view in range(views + 1):
        if view == 0:
            films, where = central(crops.pixels, SIDE_PX), central(crops.fracture, SIDE_PX)
        else:
            films, where = _changed(crops, generator)
        fine.append(stem_of(stem, np.asarray(films, np.float32)))
        cells.append(cells_of(np.asarray(where, bool)))
    return StemViews(np.stack(fine), np.stack(cells), crops.group, crops.label)


@torch.inference_mode()
def stem_of(stem: FilmStem, films: Floats, *, batch: int = 64) -> npt.NDArray[np.float16]:
    """Return the maps of crops `(n, 112, 112)`, shape `(n, 32, 14, 14)`."""
    stem = stem.to(memory_format=torch.channels_last)
    parts = []
    for start in range(0, len(films), batch):
        part = torch.from_numpy(np.ascontiguousarray(films[start : start + batch]))[:, None]
        # Three times as fast where the processor has units for it; kept as halves anyway.
        with torch.autocast("cpu", dtype=torch.bfloat16):
            made = stem(part.contiguous(memory_format=torch.channels_last))
        parts.append(made.float().contiguous())
    return np.asarray(torch.cat(parts).numpy(), np.float16)


def train_film_stream(
    name: str,
    views: StemViews,
    *,
    weights: str = "random",
    pace: StreamPace | None = None,
    progress: Progress = silent,
) -> FilmCnn | FilmTransformer:
    """Train a network of the X-ray stream above its stem; the last weights are kept.

    Args:
        name: Name in the registry of networks of the X-ray stream.
        views: Crops to learn from.
        weights: What its backbone begins from: that of the stem which made the views.
        pace: How.
        progress: Told of every epoch.

    Raises:
        ModelError: If loss or weights become no numbers.
    """
    pace = StreamPace() if pace is None else pace
    torch.manual_seed(pace.seed)
    network = build_film_stream(name, weights=weights)
    learned = [one for one in network.parameters() if one.requires_grad]
    steps = max(1, len(views.label) // pace.batch_size)
    optimizer = torch.optim.AdamW(learned, lr=pace.learning_rate, weight_decay=0.05)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, pace.learning_rate, total_steps=steps * pace.epochs
    )
    share = draw_shares(views.label, views.group)
    network.train()
    done = 0
    for epoch in progress(range(pace.epochs), "training the X-ray stream"):
        generator = np.random.default_rng([pace.seed, epoch])
        for _ in range(steps):
            chosen = generator.choice(len(share), pace.batch_size, p=share)
            which = generator.integers(0, len(views.fine), pace.batch_size)
            fine = torch.from_numpy(views.fine[which, chosen].astype(np.float32))
            cells = torch.from_numpy(views.cells[which, chosen].astype(np.float32))
            if generator.random() < 0.5:
                fine, cells = fine.flip(3), cells.flip(2)
            # A fracture that was shifted out of sight is no fracture of this crop.
            label = cells.amax(dim=(1, 2))
            loss = stream_loss(network.answer(fine), label, cells, map_weight=pace.map_weight)
            require_number(loss, step=done)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            cycle.step()
            done += 1
    require_numbers(network, step=done)
    return network.eval()


def stream_loss(
    answer: FilmStreamOutput, label: Tensor, cells: Tensor, *, map_weight: float
) -> Tensor:
    """Return the loss of a batch: cross-entropy of the logit and of the map's cells."""
    whole = F.binary_cross_entropy_with_logits(answer.logit.float(), label)
    # A tenth of the cells of a fractured crop hold its line.
    raised = torch.tensor(4.0)
    where = F.binary_cross_entropy_with_logits(answer.map.float(), cells, pos_weight=raised)
    return whole + map_weight * where


@torch.inference_mode()
def answer_maps(
    network: FilmCnn | FilmTransformer, fine: npt.NDArray[np.float16], *, batch: int = 128
) -> FilmStreamOutput:
    """Return what a network says of maps of its stem `(n, 32, 14, 14)`, in float32."""
    network.eval()
    parts = [
        network.answer(torch.from_numpy(fine[start : start + batch].astype(np.float32)))
        for start in range(0, len(fine), batch)
    ]
    return FilmStreamOutput(*(torch.cat(one) for one in zip(*parts, strict=True)))


def draw_shares(
    label: npt.NDArray[np.bool_], group: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return how often each case is drawn: patients and labels alike, whatever their number.

    Example:
        >>> label = np.array([True, False, False, True, False])
        >>> draw_shares(label, np.array([1, 1, 1, 2, 2])).tolist()
        [0.25, 0.125, 0.125, 0.25, 0.25]
    """
    share = np.zeros(len(label))
    for one in np.unique(group):
        for there in (False, True):
            same = (group == one) & (label == there)
            if same.any():
                share[same] = 1 / same.sum()
    return np.asarray(share / share.sum())


def _changed(crops: StoredCrops, generator: np.random.Generator) -> tuple[Floats, Any]:
    """Return crops shifted, brightened and with noise, and where their fracture lies."""
    room = crops.pixels.shape[1] - SIDE_PX
    films, where = [], []
    for film, fracture in zip(crops.pixels, crops.fracture, strict=True):
        top, left = generator.integers(0, room + 1, 2)
        part = (slice(top, top + SIDE_PX), slice(left, left + SIDE_PX))
        gain, offset = np.exp(generator.normal(0, 0.15)), generator.normal(0, 0.05)
        noise = generator.normal(0, 0.02 * generator.random(), (SIDE_PX, SIDE_PX))
        films.append(np.clip(film[part] * gain + offset + noise, 0, 1).astype(np.float32))
        where.append(fracture[part])
    return np.stack(films), np.stack(where)
