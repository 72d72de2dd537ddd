"""Ten kinds of copies, made from a film with chosen chance: what a copy detector is tried on."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Film = npt.NDArray[np.uint8]
Generator = np.random.Generator

_TEXTS = ("L", "R", "PORTABLE", "2021-03-14 10:22", "ERECT", "AP 70kV")


def reencode(film: Film, quality: int) -> Film:
    """Write as JPEG and read again."""
    _, coded = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _mirrored(film: Film, generator: Generator) -> Film:
    return film[:, ::-1] if generator.random() < 0.5 else film[::-1]


def _turned(film: Film, generator: Generator) -> Film:
    return np.rot90(film, int(generator.integers(1, 4)))


def _tilted(film: Film, generator: Generator) -> Film:
    """Up to 15 degrees, in the same frame or in one that holds all of it."""
    rows, columns = film.shape
    angle = float(generator.uniform(2, 15) * generator.choice([-1, 1]))
    turn = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), angle, 1)
    width, height = columns, rows
    if generator.random() < 0.5:
        cosine, sine = abs(turn[0, 0]), abs(turn[0, 1])
        width, height = int(columns * cosine + rows * sine), int(columns * sine + rows * cosine)
        turn[:, 2] += (width - columns) / 2, (height - rows) / 2
    return np.asarray(cv2.warpAffine(film, turn, (width, height)))


def _reencoded(film: Film, generator: Generator) -> Film:
    return reencode(film, int(generator.integers(30, 60)))


def _rescaled(film: Film, generator: Generator) -> Film:
    scale = float(np.exp(generator.uniform(np.log(0.4), np.log(2))))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return reencode(np.asarray(cv2.resize(film, None, fx=scale, fy=scale, interpolation=how)), 85)


def _cropped(film: Film, generator: Generator) -> Film:
    """To 50 to 85 % of the area, anywhere."""
    area, shape = generator.uniform(0.5, 0.85), np.exp(generator.uniform(-0.2, 0.2))
    rows, columns = film.shape
    height = min(rows, int(rows * area**0.5 * shape))
    width = min(columns, int(columns * area**0.5 / shape))
    top = int(generator.integers(0, rows - height + 1))
    left = int(generator.integers(0, columns - width + 1))
    return reencode(np.ascontiguousarray(film[top : top + height, left : left + width]), 90)


def _cut_off(film: Film, generator: Generator) -> Film:
    """The lower 20 to 50 % black or grey, as of a file that ends too early."""
    cut = film.copy()
    cut[len(film) - int(len(film) * generator.uniform(0.2, 0.5)) :] = generator.choice([0, 128])
    return cut


def _exposed(film: Film, generator: Generator) -> Film:
    values = film / 255
    values = values ** np.exp(generator.choice([-1, 1]) * generator.uniform(0.18, 0.59))
    values = (values - 0.5) * generator.uniform(0.7, 1.3) + 0.5 + generator.uniform(-0.08, 0.08)
    return reencode((np.clip(values, 0, 1) * 255).astype(np.uint8), 90)


def _inverted(film: Film, generator: Generator) -> Film:
    return reencode(255 - film, 90)


def _marked(film: Film, generator: Generator) -> Film:
    """With a border (3 of 5) and one to three burned-in texts."""
    marked = film.copy()
    if generator.random() < 0.6:
        widths = [int(generator.uniform(0.02, 0.12) * max(film.shape)) for _ in range(4)]
        grey = int(generator.choice([0, 128, 255]))
        marked = cv2.copyMakeBorder(marked, *widths, cv2.BORDER_CONSTANT, value=grey)
    rows, columns = marked.shape
    unit = max(rows, columns) / 450
    for _ in range(int(generator.integers(1, 4))):
        place = int(generator.uniform(0, 0.6) * columns), int(generator.uniform(0.08, 0.97) * rows)
        size, grey = generator.uniform(0.4, 0.9) * unit, int(generator.choice([255, 0]))
        text, pen = str(generator.choice(_TEXTS)), max(1, int(2 * unit))
        cv2.putText(marked, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, grey, pen)
    return reencode(np.asarray(marked), 90)


KINDS: dict[str, Callable[[Film, Generator], Film]] = {
    "mirrored": _mirrored,
    "quarter turns": _turned,
    "tilted": _tilted,
    "re-encoded": _reencoded,
    "rescaled": _rescaled,
    "cropped": _cropped,
    "cut off": _cut_off,
    "exposed": _exposed,
    "inverted": _inverted,
    "border and text": _marked,
}


def plant(film: Film, kind: str, generator: Generator) -> Film:
    """Make a copy of one kind."""
    return np.ascontiguousarray(KINDS[kind](film, generator))
