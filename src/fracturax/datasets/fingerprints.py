"""What tells an image from its copies: a hash, a small picture, and what its corners look like."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError

Box = tuple[int, int, int, int]

_PICTURE_SIDE = 256
_CORNER_SIDE = 256
_CORNERS = 160
_CORNERS_SOUGHT = 320
_CELLS = 6
_CONTRAST, _EDGE, _SIGMA, _LAYERS = 0.01, 15, 1.6, 3
_NEIGHBOURHOOD_PX = 12
_NOISE = 6
_PLAIN_RANGE = 6
_SMALLEST_SIDE = 16
_NUMBERS = 64
_STEPS_A_UNIT = 200


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Identity of an image's content, whatever its file is called and whatever was done to it.

    Takes about 65 KB: 50 KB for the picture, 10 KB for the descriptors.

    Args:
        pixel_sha256: Hash of the grey values and the shape: equal in exact copies.
        shape: Rows and columns of the whole image.
        inside: What lies within its plain border: `(row_min, column_min, row_max, column_max)`.
        picture: The inside, long side at most 256, uint8.
        places: Corners of the inside: x, y and diameter in pixels of `picture`, angle in degrees;
            shape (corners, 4), at most 160 corners.
        descriptors: What the surroundings of each corner look like, shape (corners, 64), int8:
            `MIRRORED` and `NEGATIVE` turn them into those of the mirrored or negative image.
    """

    pixel_sha256: str
    shape: tuple[int, int]
    inside: Box
    picture: npt.NDArray[np.uint8]
    places: npt.NDArray[np.float32]
    descriptors: npt.NDArray[np.int8]


def fingerprint(pixels: npt.NDArray[np.uint8]) -> Fingerprint:
    """Fingerprint one grey image; knows no other image, so that a pool can do many at once.

    Args:
        pixels: Grey values, shape (rows, columns).

    Raises:
        DataError: If this is no grey image of 8 bits.

    References:
        Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60, 91 (2004),
        for the corners and their descriptors (SIFT).

    Example:
        >>> film = np.zeros((300, 200), np.uint8)
        >>> film[100:200, 50:150] = np.add.outer(np.arange(100), np.arange(100))
        >>> fingerprint(film).inside
        (100, 50, 200, 150)
    """
    if pixels.ndim != 2 or pixels.dtype != np.uint8 or not pixels.size:
        raise DataError(
            "a fingerprint is taken of grey values in 8 bits, (rows, columns)",
            got=f"{pixels.dtype}, shape {pixels.shape}",
            cure="scale the film's display values to 0..255",
        )
    digest = hashlib.sha256(str(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    inside = _within_plain_border(pixels)
    content = pixels[inside[0] : inside[2], inside[1] : inside[3]]
    picture = shrink(content, _PICTURE_SIDE)
    places, descriptors = _describe_corners(content, (picture.shape[0], picture.shape[1]))
    return Fingerprint(
        pixel_sha256=digest.hexdigest(),
        shape=(pixels.shape[0], pixels.shape[1]),
        inside=inside,
        picture=picture,
        places=places,
        descriptors=descriptors,
    )


def shrink(pixels: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Return the image with a long side of at most `side`; a smaller one is copied."""
    scale = side / max(pixels.shape)
    if scale >= 1:
        return pixels.copy()
    rows, columns = (max(1, round(length * scale)) for length in pixels.shape)
    return np.asarray(cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def _within_plain_border(pixels: npt.NDArray[np.uint8]) -> Box:
    """Return the box that leaves out plain rows and columns at the edges; all of a plain image.

    A border that was added, or a part that was blanked out, has edges that draw the corners to it.
    """
    step = max(1, max(pixels.shape) // 512)
    small = pixels[::step, ::step]
    top, bottom = _alive(small)
    left, right = _alive(small[top:bottom].T)
    # Again: between the borders at the sides, more rows may be plain.
    start, stop = _alive(small[top:bottom, left:right])
    top, bottom = top + start, top + stop
    if min(bottom - top, right - left) * step < _SMALLEST_SIDE:
        return (0, 0, pixels.shape[0], pixels.shape[1])
    rows, columns = pixels.shape
    return (
        top * step,
        left * step,
        min(bottom * step, rows),
        min(right * step, columns),
    )


def _alive(pixels: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return the first row that is not plain, and the one after the last."""
    # A few pixels of dirt or of a neighbouring border leave a row plain.
    spare = pixels.shape[1] // 25
    ordered = np.partition(pixels, (spare, pixels.shape[1] - 1 - spare), axis=1)
    spread = ordered[:, -1 - spare].astype(np.int16) - ordered[:, spare]
    alive = np.flatnonzero(spread > _PLAIN_RANGE)
    return (int(alive[0]), int(alive[-1]) + 1) if len(alive) else (0, len(pixels))


def _describe_corners(
    pixels: npt.NDArray[np.uint8], picture_shape: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    scale = _CORNER_SIDE / max(pixels.shape)
    rows, columns = (max(8, round(length * scale)) for length in pixels.shape)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    sift = cv2.SIFT.create(_CORNERS_SOUGHT, _LAYERS, _CONTRAST, _EDGE, _SIGMA, True)
    small = np.asarray(cv2.resize(pixels, (columns, rows), interpolation=how), np.uint8)
    corners, raw = sift.detectAndCompute(_even_contrast(small), None)
    if not len(corners):
        return np.zeros((0, 4), np.float32), np.zeros((0, _NUMBERS), np.int8)
    places = np.array([(*corner.pt, corner.size, corner.angle) for corner in corners], np.float32)
    responses = np.array([corner.response for corner in corners])
    kept = _strongest_everywhere(places[:, :2] / (columns, rows), responses)
    places, raw = places[kept], raw[kept]
    per_pixel = np.array([picture_shape[1] / columns, picture_shape[0] / rows])
    places[:, :2] = (places[:, :2] + 0.5) * per_pixel - 0.5
    places[:, 2] *= per_pixel.mean()
    roots = np.sqrt(raw / np.maximum(raw.sum(axis=1, keepdims=True), 1))
    numbers = np.round(roots @ _WAVES * _STEPS_A_UNIT)
    return places, np.clip(numbers, -127, 127).astype(np.int8)


def _even_contrast(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Bring dark and bright parts to one contrast, so that exposure decides on no corner."""
    values = pixels.astype(np.float32)
    detail = values - np.asarray(cv2.GaussianBlur(values, (0, 0), _NEIGHBOURHOOD_PX), np.float32)
    power = np.asarray(cv2.GaussianBlur(detail * detail, (0, 0), _NEIGHBOURHOOD_PX), np.float32)
    even = np.clip(128 + 40 * detail / (np.sqrt(power) + _NOISE), 0, 255)
    return np.asarray(even.astype(np.uint8))


def _strongest_everywhere(
    places: npt.NDArray[np.floating], responses: npt.NDArray[np.floating]
) -> npt.NDArray[np.intp]:
    """Choose corners by turns from the cells of a grid, the strongest first: text takes no all."""
    columns, rows = np.clip((places * _CELLS).astype(int), 0, _CELLS - 1).T
    cells = rows * _CELLS + columns
    order = np.lexsort((-responses, cells))
    starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    turn = np.empty(len(order), np.intp)
    turn[order] = np.arange(len(order)) - np.repeat(starts, sizes)
    return np.sort(np.lexsort((-responses, turn))[:_CORNERS])


def _basis() -> tuple[
    npt.NDArray[np.float32], npt.NDArray[np.int8], npt.NDArray[np.int8], list[tuple[int, int, int]]
]:
    """Return the waves that a SIFT descriptor is written in, and their signs in other images.

    A SIFT descriptor counts 8 directions in 4 x 4 places around the corner. In cosine waves over
    the places and waves over the directions, the smooth ones hold what is stable; and mirroring
    the image, or turning it into its negative, does no more than change the sign of some. So one
    description serves all four.
    """
    places = np.arange(4) + 0.5
    over_places = [np.cos(np.pi * places * u / 4) * (0.5 if u == 0 else 0.5**0.5) for u in range(4)]
    turns = np.arange(8) * np.pi / 4
    over_turns = [np.full(8, 8**-0.5)]
    for k in (1, 2, 3):
        over_turns += [np.cos(k * turns) / 2, np.sin(k * turns) / 2]
    over_turns.append(np.cos(4 * turns) / 8**0.5)
    every = [(u, v, k) for u in range(4) for v in range(4) for k in range(8)]
    # Frequency along the corner's own direction (rows) counts more: there is less of it in films.
    smooth = sorted(every, key=lambda wave: (1.2 * wave[0] + wave[1] + (wave[2] + 1) // 2, wave))
    chosen = smooth[:_NUMBERS]
    waves = [
        np.einsum("r,c,o->rco", over_places[u], over_places[v], over_turns[k]) for u, v, k in chosen
    ]
    is_sine = {2, 4, 6}
    mirrored = [(-1) ** u * (-1 if k in is_sine else 1) for u, _, k in chosen]
    negative = [(-1) ** (u + v) for u, v, _ in chosen]
    return (
        np.array(waves, np.float32).reshape(_NUMBERS, 128).T,
        np.array(mirrored, np.int8),
        np.array(negative, np.int8),
        chosen,
    )


_WAVES, MIRRORED, NEGATIVE, _CHOSEN = _basis()
SIDE_TELLER = _CHOSEN.index((0, 0, 2))
"""The descriptor's number that most surely has another sign in the mirrored image (95 of 100)."""
TONE_TELLER = _CHOSEN.index((0, 1, 1))
"""The number that most surely has another sign in the negative (97 of 100), and not mirrored."""
