"""Films in memory, drawn in balance, augmented, with their targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from fracturax.core.anatomy import REGIONS
from fracturax.core.case import Polygon, Reference
from fracturax.core.geometry import Box
from fracturax.core.image import Radiograph
from fracturax.datasets.acquisition import OTHER
from fracturax.models.catalog import BACKBONES
from fracturax.training.recipe import Recipe
from fracturax.transforms.augment import Outline
from fracturax.transforms.axis_map import AxisMap
from fracturax.transforms.plan import Placement, PreprocessingPlan
from fracturax.transforms.window import Detail, take_detail

# Films wait a little larger than the input, so that zooming in still finds detail.
RESERVE = 1.125


@dataclass(frozen=True, eq=False)
class StoredFilm:
    """A film at training size, its 8-bit grey values, and its reference.

    Args:
        name: Name of its case.
        pixels: A little larger than the input, shape `(channels, rows, columns)`.
        evaluation_pixels: The input as the shipped model sees it, of as many channels.
        outlines: Outlines in pixels of `pixels`.
        reference: The truth, in pixels of the film after the plan's steps, in its frame.
        placement: Where that film lies in `evaluation_pixels`.
        detail: What windows are cut from.
        acquisition: How it was acquired, in words; films alike in this make a group.
        bone_quality: Of its bone mask, where the plan shows one; too low, the whole film stands
            in for it.
    """

    name: str
    pixels: npt.NDArray[np.uint8]
    evaluation_pixels: npt.NDArray[np.uint8]
    outlines: list[Outline]
    reference: Reference
    placement: Placement
    detail: Detail
    acquisition: str = ""
    bone_quality: float | None = None


def store_film(
    name: str,
    film: Radiograph,
    reference: Reference,
    plan: PreprocessingPlan,
    *,
    detail: float = 1.0,
) -> StoredFilm:
    """Bring a film to training size, with `detail` times the input's pixels for windows."""
    reserve = replace(plan, rows=round(plan.rows * RESERVE), columns=round(plan.columns * RESERVE))
    prepared = plan.prepare(film)
    frame = plan.frame_of(prepared.pixels)
    turned = frame.turn(prepared.pixels)
    reference = frame.turn_reference(move_reference(reference, prepared.axis_map))
    larger, larger_placement = reserve.apply(turned)
    exact, placement = plan.apply(turned)
    bones = prepared.bones
    return StoredFilm(
        name=name,
        pixels=np.round(reserve.stack(larger, bones, frame) * 255).astype(np.uint8),
        evaluation_pixels=np.round(plan.stack(exact, bones, frame) * 255).astype(np.uint8),
        outlines=[place_outline(outline, larger_placement) for outline in outlines_of(reference)],
        reference=reference,
        placement=placement,
        detail=take_detail(turned, placement, plan, detail),
        bone_quality=None if bones is None else bones.quality,
    )


def move_reference(reference: Reference, axis_map: AxisMap) -> Reference:
    """Return what is known of a film in pixels of what was made of it.

    A fracture that was cut off keeps its place beyond the edge, as one that an augmentation moves.
    """
    if axis_map.is_identity:
        return reference
    boxes = reference.boxes and tuple(axis_map.to_new(box) for box in reference.boxes)
    polygons = tuple(
        Polygon(tuple(map(tuple, axis_map.points_to_new(polygon.points).tolist())))
        for polygon in reference.polygons
    )
    return replace(reference, boxes=boxes, polygons=polygons)


def outlines_of(reference: Reference) -> list[Outline]:
    """Return one outline a fracture: the drawn one, or else the oval within its box."""
    boxes = reference.boxes or ()
    if len(reference.polygons) == len(boxes):
        return [np.asarray(polygon.points, np.float32) for polygon in reference.polygons]
    return [_oval(box) for box in boxes]


def _oval(box: Box) -> Outline:
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    row = (box.row_min + box.row_max) / 2 + (box.row_max - box.row_min) / 2 * np.sin(angle)
    middle = (box.column_min + box.column_max) / 2
    column = middle + (box.column_max - box.column_min) / 2 * np.cos(angle)
    return np.stack([row, column], axis=1).astype(np.float32)


def place_outline(outline: Outline, placement: Placement) -> Outline:
    """Move an outline from the original film into a model's input."""
    offset = np.array([placement.row_offset, placement.column_offset], np.float32)
    placed: Outline = outline * np.float32(placement.scale) + offset
    return placed


class Batch(NamedTuple):
    """Films with their targets.

    Attributes:
        images: Display values, shape `(b, channels, rows, columns)`.
        fracture: 0 or 1, shape `(b,)`.
        heat: Share of each cell of the finest level that is fractured, shape `(b, rows/stride,
            columns/stride)`.
        boxes: For each film `(n, 4)` in input pixels.
        is_marked: Whether a film's fractures are outlined, shape `(b,)`.
        context: Regions in the order of `REGIONS`, then hardware; shape `(b, 5)`.
    """

    images: Tensor
    fracture: Tensor
    heat: Tensor
    boxes: list[Tensor]
    is_marked: Tensor
    context: Tensor


class Sample(NamedTuple):
    """One film of a `Batch`."""

    image: npt.NDArray[np.float32]
    fracture: float
    heat: npt.NDArray[np.float32]
    boxes: npt.NDArray[np.float32]
    is_marked: bool
    context: npt.NDArray[np.float32]


class AugmentedFilms(Dataset[Sample]):
    """Films as the network sees them in training: `(epoch, draw, film)` decides every chance."""

    def __init__(self, films: Sequence[StoredFilm], recipe: Recipe) -> None:
        self.films, self.recipe = films, recipe
        self._marked = [film for film in films if film.outlines]

    def __len__(self) -> int:
        return len(self.films)

    def __getitem__(self, draw: tuple[int, int, int]) -> Sample:
        """Return the augmented film for `(epoch, draw, film)`."""
        epoch, number, index = draw
        film, plan, change = self.films[index], self.recipe.plan, self.recipe.augmentation
        generator = np.random.default_rng([self.recipe.seed, epoch, number])
        film = self._blanked(film, generator)
        grey, *others = film.pixels
        warp = change.draw(grey.shape, rows=plan.rows, columns=plan.columns, generator=generator)
        outlines = [warp.points(outline) for outline in film.outlines]
        shown = change.show(grey, warp, outlines=outlines, generator=generator)
        moved = [warp.film(one).astype(np.float32) / np.float32(255) for one in others]
        image = np.stack([shown, *moved])
        return make_sample(image, outlines, film.reference, stride=finest_stride(self.recipe))

    def _blanked(self, film: StoredFilm, generator: np.random.Generator) -> StoredFilm:
        """Return a film as it is, or blanked; one whose fractures are filled in shows none."""
        is_marked = film.reference.boxes is not None
        if not (self.recipe.blanking.is_on and is_marked and self._marked):
            return film
        other = self._marked[int(generator.integers(len(self._marked)))]
        grey, is_whole = self.recipe.blanking.apply(
            film.pixels[0],
            _boxes_about(film.outlines),
            other=_boxes_about(other.outlines),
            generator=generator,
        )
        pixels = np.stack([grey, *film.pixels[1:]])
        if is_whole:
            return replace(film, pixels=pixels)
        healed = replace(film.reference, fracture=False, boxes=(), polygons=())
        return replace(film, pixels=pixels, outlines=[], reference=healed)


class ExactFilms(Dataset[Sample]):
    """Films as the shipped model sees them: the plan alone."""

    def __init__(self, films: Sequence[StoredFilm], *, stride: int = 8) -> None:
        self.films, self.stride = films, stride

    def __len__(self) -> int:
        return len(self.films)

    def __getitem__(self, index: int) -> Sample:
        """Return one film, unchanged."""
        film = self.films[index]
        image = film.evaluation_pixels.astype(np.float32) / np.float32(255)
        outlines = [outline / np.float32(RESERVE) for outline in film.outlines]
        return make_sample(image, outlines, film.reference, stride=self.stride)


class BalancedDraws(Sampler[tuple[int, int, int]]):
    """Draws films with a fixed share of fractured ones, each film equally often within its kind.

    A kind is a label or, where the recipe asks for it, a label within an acquisition group.
    """

    def __init__(
        self, films: Sequence[StoredFilm], recipe: Recipe, *, first_epoch: int = 0
    ) -> None:
        self.recipe, self.epoch = recipe, first_epoch
        self.kinds = _kinds(films, by_acquisition=recipe.data.balance == "acquisition")

    def __len__(self) -> int:
        return self.recipe.optimizer.epoch_films

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        epoch, size = self.epoch, len(self)
        self.epoch += 1
        share = self.recipe.optimizer.fractured_share
        shares = [kind.share * (share if kind.is_fractured else 1 - share) for kind in self.kinds]
        # Rounding the running total keeps the epoch's size, and each label's, exact.
        ends = np.rint(np.cumsum(shares) * size).astype(int)
        counts = np.diff(ends, prepend=0).tolist()
        generator = np.random.default_rng([self.recipe.seed, epoch])
        chosen = np.concatenate(
            [
                _in_turns(kind.films, count, generator)
                for kind, count in zip(self.kinds, counts, strict=True)
            ]
        )
        for number, index in enumerate(generator.permutation(chosen).tolist()):
            yield (epoch, number, index)


class _Kind(NamedTuple):
    """Films of one label, and the share of the draws of this label that is theirs."""

    is_fractured: bool
    films: npt.NDArray[np.int64]
    share: float


def _kinds(films: Sequence[StoredFilm], *, by_acquisition: bool) -> list[_Kind]:
    fractured = np.array([film.reference.fracture for film in films], bool)
    groups = np.array([film.acquisition if by_acquisition else "" for film in films])
    for name in np.unique(groups).tolist():
        inside = groups == name
        # A group of one label only would tell it: it is drawn with the others like it.
        if fractured[inside].all() or not fractured[inside].any():
            groups[inside] = OTHER
    kinds = []
    for label in (True, False):
        of_label = {
            name: np.flatnonzero((groups == name) & (fractured == label))
            for name in np.unique(groups).tolist()
        }
        shares = {
            name: _share_of_both(groups == name, fractured) if len(chosen) else 0.0
            for name, chosen in of_label.items()
        }
        total = sum(shares.values())
        kinds += [
            _Kind(label, chosen, shares[name] / total)
            for name, chosen in of_label.items()
            if len(chosen)
        ]
    return kinds


def _share_of_both(inside: npt.NDArray[np.bool_], fractured: npt.NDArray[np.bool_]) -> float:
    """Return the mean of a group's shares among fractured and among normal films."""
    return float(inside[fractured].mean() + inside[~fractured].mean()) / 2


def _in_turns(
    members: npt.NDArray[np.int64], wanted: int, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Draw without repetition until all were drawn, then begin anew."""
    rounds = [generator.permutation(members) for _ in range(-(-wanted // len(members)))]
    return np.concatenate(rounds)[:wanted]


def finest_stride(recipe: Recipe) -> int:
    """Return the stride of a network's finest level, that of its heat map."""
    return BACKBONES[recipe.network.backbone].strides[0]


def make_sample(
    image: npt.NDArray[np.float32], outlines: list[Outline], reference: Reference, *, stride: int
) -> Sample:
    """Make the targets of an image `(channels, rows, columns)` whose outlines are in its pixels."""
    rows, columns = image.shape[1:]
    visible = [box for outline in outlines if (box := _visible_box(outline, rows, columns))]
    mask = np.zeros((rows, columns), np.float32)
    cv2.fillPoly(mask, [np.round(outline[:, ::-1]).astype(np.int32) for outline in outlines], 1.0)
    heat = cv2.resize(mask, (columns // stride, rows // stride), interpolation=cv2.INTER_AREA)
    context = [region in reference.regions for region in REGIONS] + [bool(reference.hardware)]
    return Sample(
        image=image,
        # A fracture that moved out of the film is still what the film was taken for, but not
        # to be seen: its label would teach noise.
        fracture=float(reference.fracture and (bool(visible) or not outlines)),
        heat=heat.astype(np.float32),
        boxes=np.array([box.as_tuple() for box in visible], np.float32).reshape(-1, 4),
        is_marked=reference.boxes is not None,
        context=np.array(context, np.float32),
    )


def _boxes_about(outlines: Sequence[Outline]) -> list[Box]:
    ends = [(outline.min(axis=0), outline.max(axis=0)) for outline in outlines]
    return [Box(*map(float, low), *map(float, high)) for low, high in ends if (high > low).all()]


def _visible_box(outline: Outline, rows: int, columns: int) -> Box | None:
    low, high = outline.min(axis=0), outline.max(axis=0)
    if not (high > low).all():
        return None
    whole = Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    visible = whole.clipped(rows=rows, columns=columns)
    return visible if visible and visible.area > 0.3 * whole.area else None


def collate(samples: Sequence[Sample]) -> Batch:
    """Join samples into a batch."""
    return Batch(
        images=torch.from_numpy(np.stack([sample.image for sample in samples])).contiguous(
            memory_format=torch.channels_last
        ),
        fracture=torch.tensor([sample.fracture for sample in samples]),
        heat=torch.from_numpy(np.stack([sample.heat for sample in samples])),
        boxes=[torch.from_numpy(sample.boxes) for sample in samples],
        is_marked=torch.tensor([sample.is_marked for sample in samples]),
        context=torch.from_numpy(np.stack([sample.context for sample in samples])),
    )
