"""The preprocessing plan: what a model's input is made of, as data that replays bit for bit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.geometry import Box
from fracturax.core.image import Radiograph, Step
from fracturax.core.provenance import sha256_of_document
from fracturax.transforms.axis_map import AxisMap
from fracturax.transforms.bone_mask import BoneMask, segment_bone
from fracturax.transforms.frame import Frame
from fracturax.transforms.step_plan import StepPlan
from fracturax.transforms.stretch import stretch


@dataclass(frozen=True)
class Placement:
    """How an image lies in the model's input, in place and in grey.

    Args:
        scale: `input = original * scale + offset`, in pixels.
        row_offset: Offset of the rows.
        column_offset: Offset of the columns.
        black: Grey value of the original that became 0.
        white: Grey value of the original that became 1; not above `black` in a blank image.
    """

    scale: float
    row_offset: float
    column_offset: float
    black: float = 0.0
    white: float = 1.0

    def to_input(self, box: Box) -> Box:
        """Return a box of the original image in pixels of the input."""
        return Box(
            box.row_min * self.scale + self.row_offset,
            box.column_min * self.scale + self.column_offset,
            box.row_max * self.scale + self.row_offset,
            box.column_max * self.scale + self.column_offset,
        )

    def to_original(self, box: Box) -> Box:
        """Return a box of the input in pixels of the original image.

        Example:
            >>> place = Placement(0.5, 10, 0)
            >>> place.to_original(place.to_input(Box(0, 0, 8, 8)))
            Box(row_min=0.0, column_min=0.0, row_max=8.0, column_max=8.0)
        """
        return Box(
            (box.row_min - self.row_offset) / self.scale,
            (box.column_min - self.column_offset) / self.scale,
            (box.row_max - self.row_offset) / self.scale,
            (box.column_max - self.column_offset) / self.scale,
        )

    def boxes_to_original(self, boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return boxes of the input, shape `(n, 4)`, in pixels of the original image."""
        offset = np.array([self.row_offset, self.column_offset] * 2)
        original: npt.NDArray[np.float64] = (boxes - offset) / self.scale
        return original


@dataclass(frozen=True, eq=False)
class Prepared:
    """A film after the steps of a plan.

    Args:
        pixels: Display values, shape `(rows, columns)`.
        axis_map: Where the original's pixels lie in it.
        bones: Its bones, where the plan shows them to the network.
    """

    pixels: npt.NDArray[np.float32]
    axis_map: AxisMap
    bones: BoneMask | None = None


@dataclass(frozen=True)
class PreprocessingPlan:
    """Fit a film into a fixed input, stretch its grey values, pad with black.

    One size and one grey range for every film: what its file looked like must not tell its label.

    Args:
        rows: Rows of the input, a multiple of 32.
        columns: Columns of the input, a multiple of 32.
        low_percentile: Grey value that becomes 0.
        high_percentile: Grey value that becomes 1.
        frame: `film` takes films as they lie; `portrait` turns those that are wider than high,
            so that all fill the input alike.
        steps: Transforms that come first, by name and parameters. A plan without any has the
            hash it had before there were steps.
        roi: Region of interest. `channel` shows the network the bones, which an untrained
            segmentation finds, as a second channel beside the film; `none` shows it the film
            alone. To cut the film to its bones take the step `crop_to_bone`. A plan with `none`
            has the hash it had before there was a choice.

    Raises:
        UnknownNameError: If a step names no known transform.
        ConfigError: If a parameter of a step is wrong.
    """

    rows: int = 416
    columns: int = 352
    low_percentile: float = 0.5
    high_percentile: float = 99.5
    frame: Literal["film", "portrait"] = "film"
    steps: tuple[Step, ...] = ()
    roi: Literal["none", "channel"] = "none"

    def __post_init__(self) -> None:
        StepPlan(self.steps)

    def prepare(self, film: Radiograph) -> Prepared:
        """Do the steps, before `frame_of` and `apply`; without steps the film stays as it is.

        Where the plan shows the bones, they are looked for in what the steps made of the film.

        Raises:
            ImageError: If a step does not take the film.
        """
        axis_map = AxisMap.identity(film.pixels.shape)
        if self.steps:
            done = StepPlan(self.steps).apply(film)
            assert isinstance(done.image, Radiograph), "a transform keeps the kind of its image"
            film, axis_map = done.image, done.axis_map
        bones = segment_bone(film) if self.roi == "channel" else None
        return Prepared(film.pixels, axis_map, bones)

    def frame_of(self, pixels: npt.NDArray[np.float32]) -> Frame:
        """Return how to turn a film, shape `(rows, columns)`, before `apply`.

        Example:
            >>> lying = np.zeros((200, 300), np.float32)
            >>> PreprocessingPlan(frame="portrait").frame_of(lying)
            Frame(columns=300, is_turned=True)
        """
        rows, columns = pixels.shape
        return Frame(columns, is_turned=self.frame == "portrait" and columns > rows)

    def apply(self, pixels: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], Placement]:
        """Make the model's input of display values in [0, 1], shape `(rows, columns)`.

        Returns:
            The input, float32 in [0, 1], shape `(self.rows, self.columns)`, and where the
            image lies in it.

        Example:
            >>> film = np.linspace(0, 1, 200 * 100, dtype=np.float32).reshape(200, 100)
            >>> values, place = PreprocessingPlan(64, 64).apply(film)
            >>> values.shape, place.scale, place.column_offset
            ((64, 64), 0.32, 16.0)
        """
        fitted, scale = fit(pixels, rows=self.rows, columns=self.columns)
        black, white = np.percentile(fitted, (self.low_percentile, self.high_percentile)).tolist()
        canvas, top, left = self._centered(stretch(fitted, black=black, white=white))
        return canvas, Placement(scale, float(top), float(left), black, white)

    @property
    def channels(self) -> int:
        """Channels of the model's input: the film and, where the plan shows them, its bones."""
        return 2 if self.roi == "channel" else 1

    def stack(
        self, values: npt.NDArray[np.float32], bones: BoneMask | None, frame: Frame
    ) -> npt.NDArray[np.float32]:
        """Put the bones, as a channel of 0 and 1, behind what `apply` made of a film.

        Args:
            values: The input, shape `(self.rows, self.columns)`.
            bones: Of the film before it was turned, as `prepare` gives them; None for none.
            frame: How the film was turned.

        Returns:
            Shape `(channels, self.rows, self.columns)`. Bones that are not to be trusted are
            replaced by the whole film.

        Example:
            >>> plan = PreprocessingPlan(64, 64, roi="channel")
            >>> unsure = BoneMask(np.zeros((100, 50), bool), 0.2, "the film is mostly noise")
            >>> grey = np.zeros((64, 64), np.float32)
            >>> plan.stack(grey, unsure, Frame(50, is_turned=False)).mean(axis=(1, 2)).tolist()
            [0.0, 0.5]
        """
        if bones is None:
            return values[None]
        region = bones.mask if bones.is_usable else np.ones_like(bones.mask)
        return np.stack([values, self.place_mask(frame.turn(region)).astype(np.float32)])

    def place_mask(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return a film's mask where `apply` puts the film, shape `(self.rows, self.columns)`.

        Example:
            >>> PreprocessingPlan(64, 64).place_mask(np.ones((100, 50), bool)).mean()
            np.float64(0.5)
        """
        fitted, _ = fit(mask.astype(np.float32), rows=self.rows, columns=self.columns)
        return self._centered(fitted)[0] > np.float32(0.5)

    def _centered(
        self, values: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], int, int]:
        """Return values on black in the size of the input, and where they begin."""
        top = (self.rows - values.shape[0]) // 2
        left = (self.columns - values.shape[1]) // 2
        canvas = np.zeros((self.rows, self.columns), np.float32)
        canvas[top : top + values.shape[0], left : left + values.shape[1]] = values
        return canvas, top, left

    def as_document(self) -> dict[str, Any]:
        """Return the plan as JSON-able data; steps and region only where there are any."""
        document = asdict(self)
        del document["steps"]
        if self.roi == "none":
            del document["roi"]
        return document | (StepPlan(self.steps).as_document() if self.steps else {})

    @property
    def sha256(self) -> str:
        """Hash of the plan; two models with equal hashes see a film alike."""
        return sha256_of_document(self.as_document())


def fit(
    pixels: npt.NDArray[np.float32], *, rows: int, columns: int
) -> tuple[npt.NDArray[np.float32], float]:
    """Scale an image to fit into a shape, keeping its proportions.

    Returns:
        The scaled image and the scale.
    """
    scale = min(rows / pixels.shape[0], columns / pixels.shape[1])
    shape = fitted_shape(pixels.shape, rows=rows, columns=columns)
    # Area averaging keeps thin bright lines from aliasing when a film shrinks.
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, shape[::-1], interpolation=method), np.float32), scale


def fitted_shape(shape: tuple[int, ...], *, rows: int, columns: int) -> tuple[int, int]:
    """Return the shape that an image of a shape has where it was scaled to fit.

    Example:
        >>> fitted_shape((200, 100), rows=64, columns=64)
        (64, 32)
    """
    scale = min(rows / shape[0], columns / shape[1])
    return (
        max(1, min(rows, round(shape[0] * scale))),
        max(1, min(columns, round(shape[1] * scale))),
    )
