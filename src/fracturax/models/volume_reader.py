"""The CT reader: a bundle's ONNX graph slides over the bones of a whole CT, slab by slab."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import FracturaXError
from fracturax.core.finding import Certainty, Finding
from fracturax.core.geometry import Box
from fracturax.core.image import Image, Volume
from fracturax.core.prediction import (
    ActivationMap,
    ImagePrediction,
    ModelIdentity,
    OperatingPoints,
    Prediction,
    Status,
    join_answers,
)
from fracturax.core.progress import Progress, silent
from fracturax.core.study import Study
from fracturax.models.fastest import open_fastest
from fracturax.models.volume_bundle import OUTPUTS, VolumeBundle
from fracturax.models.volume_scope import unsuitable_volume
from fracturax.transforms.ct_bone import segment_ct_bone
from fracturax.transforms.isotropic import IsotropicGrid
from fracturax.transforms.volume_plan import VolumePlan

_CELL = 8
_LEAST_BONE = 0.02
_BATCH = 4
_MOST_FINDINGS = 12
_NO_HEAT = -20.0
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class VolumeAnswer:
    """What the network says of a whole CT, before calibration.

    Args:
        places: First voxel of each cube that was looked at, in the isotropic grid, shape `(n, 3)`.
        logits: Of a fracture in the cube, shape `(n,)`.
        peaks: Highest logit of its map, shape `(n,)`.
        features: Of the most suspicious cube, shape `(d,)`.
        heat: Logits on cells of 8 voxels; where cubes overlap, their mean, weighted towards their
            middles; -20 where nothing was looked at; shape `(slices, rows, columns)`.
        origin: Voxel of the grid where the first cell begins, along each axis.
        grid: The isotropic grid.
    """

    places: npt.NDArray[np.int64]
    logits: Floats
    peaks: Floats
    features: Floats
    heat: Floats
    origin: int
    grid: IsotropicGrid


class VolumePredictor:
    """Reads whole CTs on ONNX Runtime; thread-safe.

    In memory are the CT as it was given, the labels of its bones, and one slab of the fine grid.

    Args:
        bundle: A verified bundle.
        threads: Threads of one inference; 0 takes all cores.
        progress: Is told of the slabs of each CT.

    Raises:
        ModelError: If ONNX Runtime refuses the graph.
    """

    def __init__(
        self, bundle: VolumeBundle, *, threads: int = 0, progress: Progress = silent
    ) -> None:
        self.bundle, self._progress = bundle, progress
        side = bundle.manifest.plan.size
        cubes = (_BATCH, 1, side, side, side)
        self._session = open_fastest(bundle.graph.read_bytes(), threads, {"volumes": cubes})

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self.bundle.identity

    @property
    def operating_points(self) -> OperatingPoints:
        """Thresholds on the probability of a study."""
        return self.bundle.manifest.operating_points

    def predict(self, study: Study) -> Prediction:
        """Answer about a study: its most suspicious CT decides.

        What the model is not made for is `not_assessed` with the reason; a study is assessed if
        at least one CT is.
        """
        start = time.perf_counter()
        answers = [self.predict_image(image) for image in study.images]
        return join_answers(
            study,
            answers,
            model=self.identity,
            operating_points=self.operating_points,
            duration_s=time.perf_counter() - start,
        )

    def predict_image(self, image: Image) -> ImagePrediction:
        """Answer about one CT."""
        return self.examine(image)[0]

    def examine(self, image: Image) -> tuple[ImagePrediction, VolumeAnswer | None]:
        """Answer about one CT, and give the raw answer where the network was asked."""
        reason = unsuitable_volume(image)
        if reason is not None or not isinstance(image, Volume):
            return ImagePrediction(image.name, "not_assessed", reason=reason), None
        try:
            found = segment_ct_bone(image)
            if not found.is_usable:
                return ImagePrediction(image.name, "not_assessed", reason=found.reason), None
            bone = found.mask
            # The labels of a whole CT are as large as itself, and no longer needed.
            del found
            raw = self.infer(image, bone)
        except FracturaXError as error:
            reason = f"the CT cannot be prepared: {error}"
            return ImagePrediction(image.name, "not_assessed", reason=reason), None
        if len(raw.logits) == 0:
            reason = "no place in the CT holds enough bone"
            return ImagePrediction(image.name, "not_assessed", reason=reason), None
        return self.answer(image, raw), raw

    def infer(self, volume: Volume, bone: npt.NDArray[np.bool_]) -> VolumeAnswer:
        """Look at every place of a CT that holds bone, without calibration.

        Args:
            volume: In HU, with spacing and position.
            bone: True where to look, of the volume's own shape.
        """
        plan, step = self.bundle.manifest.plan, self.bundle.manifest.step
        grid = IsotropicGrid(volume, plan.spacing_mm)
        cells = grid.count_cells(bone, side=step) >= _LEAST_BONE
        margin = (plan.size - step) // 2
        heat = _HeatSum(cells.shape, step=step, size=plan.size)
        places, logits, peaks = [], [], []
        features, best = np.zeros(0, np.float32), -np.inf
        layers = [index for index in range(len(cells)) if cells[index].any()]
        for layer in self._progress(layers, "reading the CT"):
            slab = _padded(grid, plan, layer * step - margin, margin, cells.shape, step)
            for chosen in _batches(np.argwhere(cells[layer])):
                cubes = np.stack([_cube(slab, place, plan.size, step) for place in chosen])
                answer = self._session.run(OUTPUTS, {"volumes": cubes[:, None]})
                for place, logit, vector, cell in zip(chosen, *answer, strict=True):
                    where = (layer, int(place[0]), int(place[1]))
                    heat.add(where, cell)
                    places.append([index * step - margin for index in where])
                    logits.append(logit)
                    peaks.append(cell.max())
                    if logit > best:
                        features, best = vector, logit
        return VolumeAnswer(
            places=np.array(places, np.int64).reshape(-1, 3),
            logits=np.array(logits, np.float32),
            peaks=np.array(peaks, np.float32),
            features=features,
            heat=heat.mean(),
            origin=-margin,
            grid=grid,
        )

    def answer(self, image: Volume, raw: VolumeAnswer) -> ImagePrediction:
        """Return the calibrated answer that a raw one stands for."""
        manifest = self.bundle.manifest
        probabilities = self.probabilities(raw)
        peak = float(_logit(probabilities.max()))
        probability = manifest.study_calibration.probability({"peak": peak})
        status = manifest.operating_points.status(probability)
        return ImagePrediction(
            image=image.name,
            status=status,
            probability=probability,
            findings=tuple(self._findings(image, raw, probabilities, status)),
            activation=_activation(raw),
        )

    def run(self, cubes: Floats) -> tuple[Floats, Floats, Floats]:
        """Return logits, features and maps of cubes through the window, shape `(n, s, s, s)`."""
        parts = [
            self._session.run(OUTPUTS, {"volumes": cubes[start : start + _BATCH, None]})
            for start in range(0, len(cubes), _BATCH)
        ]
        logits, features, maps = (np.concatenate(part) for part in zip(*parts, strict=True))
        return logits, features, maps

    def probabilities(self, raw: VolumeAnswer) -> npt.NDArray[np.float64]:
        """Return the probability of a fracture in each cube."""
        calibration = self.bundle.manifest.calibration
        return np.array(
            [
                calibration.probability({"cube": float(cube), "heat": float(peak)})
                for cube, peak in zip(raw.logits, raw.peaks, strict=True)
            ]
        )

    def _findings(
        self,
        image: Volume,
        raw: VolumeAnswer,
        probabilities: npt.NDArray[np.float64],
        status: Status,
    ) -> Iterator[Finding]:
        """Yield places to show: none without suspicion, and never a suspicion without one."""
        if status == "no_fracture":
            return
        points = self.bundle.manifest.cube_operating_points
        size = self.bundle.manifest.plan.size
        for rank, index in enumerate(apart(raw.places, probabilities, size=size)):
            probability = float(probabilities[index])
            if rank and probability < points.high_sensitivity:
                return
            certain = status == "fracture" and probability >= points.high_specificity
            certainty: Certainty = "certain" if certain else "doubt"
            yield finding_at(image, raw, index, size, probability, certainty)


def apart(
    places: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], *, size: int
) -> list[int]:
    """Return the most probable cubes, at most twelve, none of which sees the place of another.

    Args:
        places: First voxel of each cube, shape `(n, 3)`.
        probabilities: Shape `(n,)`.
        size: Side of a cube; cubes that overlap by half or more see the same place.

    Example:
        >>> places = np.array([[0, 0, 0], [24, 0, 0], [48, 0, 0]])
        >>> apart(places, np.array([0.5, 0.9, 0.7]), size=48)
        [1]
        >>> apart(places, np.array([0.9, 0.5, 0.7]), size=48)
        [0, 2]
    """
    is_open = np.ones(len(probabilities), bool)
    found: list[int] = []
    while is_open.any() and len(found) < _MOST_FINDINGS:
        index = int(np.where(is_open, probabilities, -1.0).argmax())
        found.append(index)
        is_open &= np.abs(places - places[index]).max(axis=1) > size // 2
    return found


def both_sides(reader: VolumePredictor, cubes: Floats) -> tuple[Floats, Floats]:
    """Return features and maps of cubes, each the mean of a cube and its mirror image.

    That is how the CT stream of a fusion is trained and read.

    Args:
        reader: The reader.
        cubes: Through its window, shape `(n, s, s, s)`.
    """
    _, features, maps = reader.run(cubes)
    _, mirrored, back = reader.run(np.ascontiguousarray(cubes[..., ::-1]))
    mean = (features + mirrored) / 2, (maps + back[..., ::-1]) / 2
    return np.asarray(mean[0], np.float32), np.asarray(mean[1], np.float32)


def finding_at(
    image: Volume,
    raw: VolumeAnswer,
    index: int,
    size: int,
    probability: float,
    certainty: Certainty,
) -> Finding:
    """Return the hot part of a cube as a finding in the volume's own voxels."""
    first = (raw.places[index] - raw.origin) // _CELL
    count = size // _CELL
    part = tuple(slice(int(low), int(low) + count) for low in first)
    heat = raw.heat[part]
    # From half of the odds of its peak on; a cube whose map says nothing shows all of itself.
    hot = np.argwhere(heat >= heat.max() - 1.0)
    low = raw.places[index] + hot.min(axis=0) * _CELL
    high = raw.places[index] + (hot.max(axis=0) + 1) * _CELL
    sides = raw.grid.axis_map.boxes_to_original([[*low.tolist(), *high.tolist()]])[0]
    shape = image.pixels.shape
    start = np.clip(np.floor(sides[:3]), 0, np.array(shape) - 1)
    stop = np.clip(np.ceil(sides[3:]), start + 1, shape)
    box = Box(float(start[1]), float(start[2]), float(stop[1]), float(stop[2]))
    slices = (int(start[0]), int(stop[0]))
    return Finding(
        image=image.name,
        box=box,
        score=float(1 / (1 + np.exp(-np.clip(raw.logits[index], -50, 50)))),
        probability=probability,
        certainty=certainty,
        slices=slices,
        extent_mm=image.geometry.extent_mm(box, slices),
    )


def _activation(raw: VolumeAnswer) -> ActivationMap:
    """Return the heat with its axes as those of the volume it was made from."""
    axis_map = raw.grid.axis_map
    end = [raw.origin + _CELL * count for count in raw.heat.shape]
    sides = axis_map.boxes_to_original([[raw.origin] * 3 + end])[0]
    heat = 1 / (1 + np.exp(-np.clip(raw.heat, -50, 50)))
    back = axis_map.inverse()
    turns = tuple(slice(None, None, -1 if scale < 0 else 1) for scale in back.scale)
    values = np.ascontiguousarray(heat.transpose(back.axes)[turns], np.float32)
    box = Box(float(sides[1]), float(sides[2]), float(sides[4]), float(sides[5]))
    return ActivationMap(values, box, slices=(float(sides[0]), float(sides[3])))


class _HeatSum:
    """Adds up the maps of cubes that overlap; the middle of a cube counts more than its edge."""

    def __init__(self, cells: tuple[int, ...], *, step: int, size: int) -> None:
        self.step, self.count = step // _CELL, size // _CELL
        # (cells - 1) steps and one cube
        shape = tuple((cell - 1) * self.step + self.count for cell in cells)
        self.total, self.weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        ramp = np.minimum(np.arange(1, self.count + 1), np.arange(self.count, 0, -1))
        self.taper = np.asarray(
            ramp[:, None, None] * ramp[None, :, None] * ramp[None, None, :], np.float32
        )

    def add(self, place: tuple[int, int, int], heat: Floats) -> None:
        part = tuple(slice(one * self.step, one * self.step + self.count) for one in place)
        self.total[part] += heat * self.taper
        self.weight[part] += self.taper

    def mean(self) -> Floats:
        is_seen = self.weight > 0
        mean = np.full(self.total.shape, _NO_HEAT, np.float32)
        np.divide(self.total, self.weight, out=mean, where=is_seen)
        return mean


def _padded(
    grid: IsotropicGrid,
    plan: VolumePlan,
    first: int,
    margin: int,
    cells: tuple[int, ...],
    step: int,
) -> Floats:
    """Return the slab of one layer of cubes through the window, with air around."""
    slab = plan.window(grid.slab(first, first + plan.size))
    after = [
        cell * step - side + margin for cell, side in zip(cells[1:], slab.shape[1:], strict=True)
    ]
    return np.pad(slab, ((0, 0), (margin, after[0]), (margin, after[1])))


def _cube(slab: Floats, place: npt.NDArray[np.int64], size: int, step: int) -> Floats:
    row, column = int(place[0]) * step, int(place[1]) * step
    return slab[:, row : row + size, column : column + size]


def _batches(places: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(places), _BATCH):
        yield places[start : start + _BATCH]


def _logit(probability: float) -> float:
    inside = min(max(probability, 1e-9), 1 - 1e-9)
    return float(np.log(inside) - np.log1p(-inside))
