"""Says in words what was done to a film on its way to a copy."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.datasets.detail import quiet_parts
from fracturax.datasets.fingerprints import Box, Fingerprint
from fracturax.datasets.overlay import Overlay, to_film
from fracturax.datasets.plane import Matrix, after, inverse, moved

_Corners = npt.NDArray[np.float64]

_DEGREES, _SCALE, _STRETCH, _SHARE, _TONE, _MARKED = 0.7, 0.02, 0.015, 0.04, 4.0, 0.01
_STEP = 4


def describe_change(one: Fingerprint, other: Fingerprint, overlay: Overlay) -> str:
    """Say what turns the one film into the other; which of them came first, pixels do not tell.

    Angles are clockwise. Where nothing but the compression can have changed, "re-encoded".

    Example:
        >>> from fracturax.datasets.fingerprints import fingerprint
        >>> blank = fingerprint(np.zeros((40, 50), np.uint8))
        >>> turn = np.array([[0.0, -1.0, 39.0], [1.0, 0.0, 0.0]])
        >>> seen = Overlay(0.99, 40, 0.1, turn, is_negative=True)
        >>> describe_change(blank, fingerprint(np.zeros((50, 40), np.uint8)), seen)
        'rotated by 90°, inverted'
    """
    words = [
        *_turns(overlay.transform),
        *_sizes(overlay.transform),
        *_areas(one, other, overlay),
    ]
    if overlay.is_negative:
        words.append("inverted")
    if overlay.tone_change > _TONE:
        words.append("brightness changed")
    if overlay.foreign > _MARKED:
        words.append("with marks")
    return ", ".join(words) or "re-encoded"


def _turns(transform: Matrix) -> list[str]:
    linear = transform[:, :2]
    is_mirrored = bool(np.linalg.det(linear) < 0)
    if is_mirrored:
        linear = linear @ np.diag([-1.0, 1.0])
    angle = float(np.degrees(np.arctan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1])))
    words = []
    if is_mirrored and abs(angle) > 135:
        words.append("mirrored up-down")
        angle -= np.copysign(180, angle)
    elif is_mirrored:
        words.append("mirrored left-right")
    quarter = 90 * round(angle / 90)
    if abs(angle - quarter) < _DEGREES:
        if quarter:
            words.append(f"rotated by {quarter % 360}°")
    else:
        words.append(f"rotated by {angle:.0f}°")
    return words


def _sizes(transform: Matrix) -> list[str]:
    across, down = np.linalg.norm(transform[:, :2], axis=0)
    scale = float(np.sqrt(across * down))
    words = []
    if abs(scale - 1) > _SCALE:
        words.append(f"rescaled to {scale:.0%}".replace("%", " %"))
    if abs(across / down - 1) > _STRETCH:
        words.append("stretched")
    return words


def _areas(one: Fingerprint, other: Fingerprint, overlay: Overlay) -> list[str]:
    kept, lost = _shares(one, other, overlay.transform)
    kept_before, lost_before = _shares(other, one, inverse(overlay.transform))
    lost += overlay.blank
    lost_before += overlay.blank_before
    words = []
    if kept < 1 - _SHARE:
        words.append(f"cropped to {100 * kept:.0f} %")
    if kept_before < 1 - _SHARE:
        words.append(f"the first cropped to {100 * kept_before:.0f} %")
    if lost > _SHARE:
        words.append(f"{100 * lost:.0f} % blank")
    if lost_before > _SHARE:
        words.append(f"{100 * lost_before:.0f} % of the first blank")
    frame_before = _area(moved(overlay.transform, _corners_of((0, 0, *one.shape))))
    frame = float(np.prod(other.shape))
    if kept_before >= 1 - _SHARE and frame > frame_before * (1 + _SHARE):
        words.append("with a border")
    if kept >= 1 - _SHARE and frame_before > frame * (1 + _SHARE):
        words.append("without a border")
    return words


def _shares(one: Fingerprint, other: Fingerprint, transform: Matrix) -> tuple[float, float]:
    """Return how much of a film lies in the other's frame, and how much content is plain there.

    A part that was blanked out at the edge is left out of the other's inside, though not of
    its frame.
    """
    film = moved(transform, _corners_of(one.inside))
    framed = _common(film, _corners_of((0, 0, *other.shape))) / max(_area(film), 1e-6)
    rows, columns = np.nonzero(quiet_parts(one.picture)[::_STEP, ::_STEP] == 0)
    if not len(rows):
        return framed, 0.0
    places = _STEP * np.column_stack([columns, rows]).astype(np.float64)
    content = moved(after(transform, to_film(one)), places)
    in_frame = _within(content, (0, 0, *other.shape))
    return framed, float((in_frame & ~_within(content, other.inside)).mean())


def _within(points: _Corners, box: Box) -> npt.NDArray[np.bool_]:
    (left, top), (right, bottom) = _corners_of(box)[[0, 2]]
    x, y = points.T
    return np.asarray((x >= left) & (x <= right) & (y >= top) & (y <= bottom))


def _corners_of(box: Box) -> _Corners:
    top, left, bottom, right = (value - 0.5 for value in box)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _area(corners: _Corners) -> float:
    return float(cv2.contourArea(corners.astype(np.float32)))


def _common(one: _Corners, other: _Corners) -> float:
    area, _ = cv2.intersectConvexConvex(one.astype(np.float32), other.astype(np.float32))
    return float(area)
