"""The table of boxes: one line a box, seen or really there, beside the table of predictions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fracturax.core.errors import DataError
from fracturax.evaluation.localization.detections import ImageDetections
from fracturax.evaluation.table import PredictionTable

SIDES = ("row_min", "column_min", "row_max", "column_max")
BOX_COLUMNS = ("case", "image", "kind", "score", *SIDES)
"""Columns of a table of boxes, in order. `kind` is `predicted`, with a score, or `reference`."""

_KINDS = ("predicted", "reference")
_LARGEST_TABLE = 512 << 20


def write_boxes(detections: Sequence[ImageDetections], path: Path) -> None:
    """Write the boxes of images as a CSV table that `read_boxes` gives back.

    Sides are rounded to hundredths of a pixel, scores to six significant digits.
    """
    import pandas as pd

    records = []
    for image in detections:
        reference = () if image.reference is None else image.reference.tolist()
        seen = zip(image.predicted.tolist(), image.scores.tolist(), strict=True)
        names = (image.case, image.image)
        records += [
            (*names, "reference", "", *(f"{side:.2f}" for side in sides)) for sides in reference
        ]
        records += [
            (*names, "predicted", f"{score:.6g}", *(f"{side:.2f}" for side in sides))
            for sides, score in seen
        ]
    frame = pd.DataFrame(records, columns=list(BOX_COLUMNS))
    frame.to_csv(path, index=False, encoding="utf-8")


def read_boxes(path: Path, table: PredictionTable) -> tuple[ImageDetections, ...]:
    """Read the boxes of the images of a table of predictions.

    An image with a fracture but without a reference box is one whose fractures nobody marked.

    Args:
        path: CSV file with the columns of `BOX_COLUMNS`; sides in pixels of the original image,
            half-open. Images without any box have no line.
        table: The images.

    Returns:
        One entry for each image of the table that was assessed, in its order.

    Raises:
        DataError: If the file is no such table, a cell is wrong (row, the first is 1, and column
            are named), or a box belongs to an image that the table does not have.
    """
    import pandas as pd

    try:
        if path.stat().st_size > _LARGEST_TABLE:
            raise DataError("a table of boxes is smaller", got=f"over {_LARGEST_TABLE} bytes")
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError:
        raise DataError("there is no such table", got=path.name) from None
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path.name} is no readable CSV table", got=str(error)) from error
    missing = [name for name in BOX_COLUMNS if name not in frame.columns]
    if missing:
        raise DataError(
            "a table of boxes lacks columns",
            got=f"no {', '.join(missing)}",
            cure=f"give {', '.join(BOX_COLUMNS)}",
        )
    keys = list(zip(table.case.tolist(), table.image.tolist(), strict=True))
    known = set(keys)
    found: dict[tuple[tuple[str, str], str], list[tuple[float, ...]]] = defaultdict(list)
    for row, cells in enumerate(frame[list(BOX_COLUMNS)].itertuples(index=False), 1):
        key, kind = (str(cells[0]), str(cells[1])), str(cells[2]).strip()
        if key not in known:
            raise _cell_error("case", row, "names no image of the table of predictions", cells[0])
        if kind not in _KINDS:
            raise _cell_error("kind", row, f"must be {' or '.join(_KINDS)}", kind)
        wanted = ("score", *SIDES) if kind == "predicted" else SIDES
        cell_of = dict(zip(BOX_COLUMNS, cells, strict=True))
        numbers = [_number(name, row, cell_of[name]) for name in wanted]
        top, left, bottom, right = numbers[-4:]
        if top >= bottom or left >= right:
            got = ", ".join(f"{side:g}" for side in numbers[-4:])
            raise _cell_error("row_min", row, "and the other sides make an empty box", got)
        found[key, kind].append(tuple(numbers))
    images = []
    for key, label, is_assessed in zip(keys, table.reference, table.is_assessed, strict=True):
        if not is_assessed:
            continue
        seen = np.array(found[key, "predicted"], dtype=np.float64).reshape(-1, 5)
        there = np.array(found[key, "reference"], dtype=np.float64).reshape(-1, 4)
        is_marked = len(there) > 0 or not label
        images.append(ImageDetections(*key, seen[:, 1:], seen[:, 0], there if is_marked else None))
    return tuple(images)


def _number(column: str, row: int, cell: object) -> float:
    try:
        number = float(str(cell))
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise _cell_error(column, row, "must be a number", cell)
    return number


def _cell_error(column: str, row: int, rule: str, value: object) -> DataError:
    return DataError(f"the column {column!r} {rule}", got=f"{value!r} in row {row}")
