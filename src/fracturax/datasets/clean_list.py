"""A clean list: what of a data set is fit to be learned from, and why the rest is not."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

from fracturax.core.errors import DataError
from fracturax.datasets.splits import DroppedCase

_COLUMNS = {"name", "keep", "reason"}
_LARGEST_LIST = 256 << 20


def read_clean_list(path: Path) -> tuple[DroppedCase, ...]:
    """Read a clean list, CSV or JSON with `name, keep, reason`; return what it strikes off.

    Raises:
        DataError: If it is no clean list, with the line.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_LIST + 1)
    except OSError as error:
        raise DataError("the clean list cannot be read", got=type(error).__name__) from error
    if len(data) > _LARGEST_LIST:
        raise DataError("a clean list is smaller", got=f"over {_LARGEST_LIST} bytes")
    try:
        text = data.decode("utf-8-sig")
        rows = json.loads(text) if path.suffix.lower() == ".json" else _table(text)
        return tuple(
            dropped for number, row in enumerate(rows) if (dropped := _dropped(number, row))
        )
    except (ValueError, TypeError, RecursionError, csv.Error) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path.name} is no clean list",
            got=f"{type(error).__name__}: {error}",
            cure="write one: fracturax audit ROOT --fix clean.csv",
        ) from error


def _table(text: str) -> list[dict[str, str]]:
    reader = csv.DictReader(StringIO(text))
    missing = _COLUMNS - set(reader.fieldnames or ())
    if missing:
        raise DataError("a clean list lacks columns", got=f"no {', '.join(sorted(missing))}")
    return list(reader)


def _dropped(number: int, row: dict[str, object]) -> DroppedCase | None:
    try:
        name, keep, reason = (row[column] for column in ("name", "keep", "reason"))
    except KeyError as error:
        raise DataError(f"entry {number} of the clean list lacks {error}") from None
    if keep in (True, "1", "true", "True"):
        return None
    if keep in (False, "0", "false", "False"):
        return DroppedCase(str(name), str(reason))
    raise DataError(
        f"entry {number} of the clean list: keep is 0 or 1", got=repr(keep), cure="mend the list"
    )
