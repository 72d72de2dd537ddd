"""The closer look: where a network that knows the answer sends a candidate, the box goes."""

from dataclasses import replace

import numpy as np
import pytest

from fracturax.core.errors import ModelError
from fracturax.core.prediction import OperatingPoints
from fracturax.models.bundle import Calibration, CloserLook
from fracturax.models.closer import CloserReader, mirrored_cells, same_once
from fracturax.transforms.plan import PreprocessingPlan
from fracturax.transforms.window import WindowPlan
from tiny_model import tiny_manifest

STRIDES = (4, 8, 16)
LOOK = CloserLook("closer.onnx", WindowPlan(size=96), STRIDES)
PLAN = PreprocessingPlan(128, 128)


def _centers(stride: int) -> np.ndarray:
    along = np.arange(96 // stride) * stride + stride / 2
    return np.stack(np.meshgrid(along, along, indexing="ij"), axis=-1).reshape(-1, 2)


def _bright_box(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Answer, in every cell, with the bright rectangle of the window; the cell within scores 3."""
    count = len(windows)
    centers = np.concatenate([_centers(stride) for stride in STRIDES])
    logits = np.full((count, len(centers)), -6.0, np.float32)
    boxes = np.zeros((count, len(centers), 4), np.float32)
    for index, window in enumerate(windows[:, 0]):
        rows, columns = np.nonzero(window > 0.5)
        box = np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1])
        boxes[index] = box
        inside = ((centers > box[:2]) & (centers < box[2:])).all(axis=1)
        logits[index, inside] = 3.0
    return logits, boxes


def _film() -> np.ndarray:
    pixels = np.zeros((256, 256), np.float32)
    pixels[100:130, 60:100] = 1.0
    return pixels


def test_a_box_is_placed_where_the_network_sees_it() -> None:
    film = _film()
    _, placement = PLAN.apply(film)
    reader = CloserReader(_bright_box, LOOK, PLAN)
    rough = np.array([[92.0, 66.0, 126.0, 110.0], [104.0, 52.0, 134.0, 90.0]])
    placed, logits = reader.look(reader.detail_of(film, placement), rough, np.zeros(2))
    assert np.abs(placed - [100, 60, 130, 100]).max() < 2.0
    assert logits.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("thoroughly", "expected"), [(True, [3.0, 1.0, 3.0]), (False, [1.0, 1.0, 1.0])]
)
def test_the_best_two_are_looked_at_in_windows_of_all_widths(
    thoroughly: bool, expected: list[float]
) -> None:
    film = _film()
    _, placement = PLAN.apply(film)
    seen: list[int] = []

    def by_size(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Say 1 of the bright rectangle in the first windows, 3 and 5 in those that come later."""
        logits, boxes = _bright_box(windows)
        row = np.arange(len(windows)) % (len(windows) // (1 + thoroughly))
        said = 1.0 if not seen else np.where(row % 2 == 0, 3.0, 5.0)[:, None]
        seen.append(len(windows))
        return np.where(logits > 0, said, logits).astype(np.float32), boxes

    reader = CloserReader(by_size, replace(LOOK, widths=(0.9, 1.1, 0.7)), PLAN)
    rough = np.array([[92.0, 66.0, 126.0, 110.0], [104.0, 52.0, 134.0, 90.0], [99, 60, 130, 101]])
    suspicion = np.array([2.0, -1.0, 0.5])
    placed, logits = reader.look(
        reader.detail_of(film, placement), rough, suspicion, thoroughly=thoroughly
    )
    assert logits.tolist() == expected
    assert seen == ([6, 8] if thoroughly else [3])
    assert np.abs(placed - [100, 60, 130, 100]).max() < 2.0


def test_windows_have_a_width() -> None:
    for wrong in ((), (0.9, -1.0)):
        with pytest.raises(ModelError, match="width"):
            replace(LOOK, widths=wrong)


def test_no_candidate_needs_no_look() -> None:
    def never(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise AssertionError(windows.shape)

    film = _film()
    _, placement = PLAN.apply(film)
    reader = CloserReader(never, LOOK, PLAN)
    placed, logits = reader.look(reader.detail_of(film, placement), np.zeros((0, 4)), np.zeros(0))
    assert len(placed) == len(logits) == 0


def test_what_lies_at_the_rim_of_a_window_is_another_candidate_s() -> None:
    film = np.zeros((256, 256), np.float32)
    film[20:30, 20:30] = film[200:240, 200:240] = 1.0
    _, placement = PLAN.apply(film)

    def two(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, boxes = _bright_box(windows)
        logits[:, 0], boxes[:, 0] = 9.0, (0, 0, 8, 8)  # louder, but in the corner
        return logits, boxes

    look = CloserReader(two, LOOK, PLAN)
    placed, logits = look.look(
        look.detail_of(film, placement), np.array([[200.0, 200.0, 240.0, 240.0]]), np.zeros(1)
    )
    assert logits.tolist() == [3.0]
    assert np.abs(placed - [200, 200, 240, 240]).max() < 2.0


def test_the_same_place_is_said_once() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 30, 10, 40]], float)
    assert same_once(boxes, np.array([1.0, 2.0, 0.5])) == [1, 2]
    assert same_once(np.zeros((0, 4)), np.zeros(0)) == []


def test_mirroring_cells_twice_is_nothing() -> None:
    cells = mirrored_cells(96, 64, STRIDES)
    assert (cells[cells] == np.arange(len(cells))).all()


def test_a_calibration_of_an_unknown_value_is_refused_at_loading() -> None:
    with pytest.raises(ModelError, match="closer"):
        tiny_manifest(calibration=Calibration(("logit", "closer"), (1.0, 1.0), 0.0))
    look = tiny_manifest(
        calibration=Calibration(("logit", "closer"), (1.0, 1.0), 0.0),
        closer=LOOK,
        operating_points=OperatingPoints(0.2, 0.4),
    )
    assert look.box_values == ("box", "closer")
