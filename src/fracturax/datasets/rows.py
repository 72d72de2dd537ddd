"""A table that people keep by hand: its lines, and what a cell may say, told by line and column."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from fracturax.core.anatomy import Region, region_of_body_part
from fracturax.core.errors import DataError
from fracturax.datasets.files import read_text
from fracturax.datasets.problems import Problems
from fracturax.datasets.words import UNLABELLED_WORDS, label_of_word, normal_word, split_of_word
from fracturax.imaging.source import clean_name

ValueT = TypeVar("ValueT")

_DELIMITERS = ",;\t"
_SEVERAL = re.compile(r"[;|+]")
_VIEWS = {
    **dict.fromkeys(("frontal", "front", "ap", "pa"), "frontal"),
    **dict.fromkeys(("lateral", "lat", "ll", "rl"), "lateral"),
    **dict.fromkeys(("oblique", "obl"), "oblique"),
}


@dataclass(frozen=True)
class Line:
    """One line of a table: its number in the file, and its cells by column, without blanks."""

    number: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        """Return a cell; a column the table does not have is empty."""
        return self.cells.get(column, "")

    def place(self, column: str) -> str:
        """Return where a cell stands, for a message."""
        return f"line {self.number}, column {column}"


@dataclass(frozen=True)
class Table:
    """The known columns of a table, and its lines.

    Args:
        columns: Names of the known columns it has.
        lines: Its lines below the head, blank ones left out.
    """

    columns: frozenset[str]
    lines: tuple[Line, ...]


def columns_of(path: Path) -> frozenset[str]:
    """Return the names in the head of a table, in lower case; nothing where there is no table."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            head = stream.readline(1 << 16)
        return frozenset(
            _column(name) for name in next(csv.reader([head], delimiter=_delimiter(head)), [])
        )
    except (OSError, UnicodeDecodeError, csv.Error):
        return frozenset()


def read_table(
    path: Path,
    *,
    known: Sequence[str],
    required: Sequence[str],
    aliases: Mapping[str, str],
    problems: Problems,
) -> Table:
    """Read a table separated by commas, semicolons or tabs, in UTF-8.

    Other columns are ignored, but for one whose name is nearly that of a known column which is
    not there: a patient column that is misspelt must not tear patients apart.

    Args:
        path: Where it lies.
        known: Columns that count.
        required: Those it must have.
        aliases: Other names of known columns.
        problems: Where a line of wrong length is noted.

    Raises:
        DataError: If it cannot be read, or its head lacks or doubles a column.
    """
    text = read_text(path)
    name = clean_name(path.name)
    first_line = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(first_line))
    try:
        head = [_column(cell) for cell in next(reader, [])]
        places = _places(head, known=known, required=required, aliases=aliases, table=name)
        lines: list[Line] = []
        number = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append(Line(number, _cells(cells, places)))
                if len(cells) != len(head):
                    got = f"{len(cells)} values under {len(head)} columns"
                    problems.add(f"line {number}", got)
            number = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{name} is no readable table", got=f"{error} in line {reader.line_num}"
        ) from None
    if not lines:
        raise DataError(f"{name} has no line below its head", cure="write one line an image")
    return Table(frozenset(places), tuple(lines))


def _delimiter(head: str) -> str:
    return max(_DELIMITERS, key=head.count)


def _column(name: str) -> str:
    return normal_word(name)


def _places(
    head: Sequence[str],
    *,
    known: Sequence[str],
    required: Sequence[str],
    aliases: Mapping[str, str],
    table: str,
) -> dict[str, int]:
    places: dict[str, int] = {}
    for index, given in enumerate(head):
        column = aliases.get(given, given)
        if column not in known:
            continue
        if column in places:
            raise DataError(
                f"{table} has two columns for {column}",
                got=f"columns {places[column] + 1} and {index + 1}",
                cure="keep one",
            )
        places[column] = index
    for given in head:
        near = get_close_matches(given, [*known, *aliases], n=1, cutoff=0.85)
        if near and aliases.get(near[0], near[0]) not in places:
            raise DataError(
                f"{table} has a column that is nearly a known one",
                got=repr(clean_name(given)),
                cure=f"did you mean {near[0]!r}? rename it, or give it quite another name",
            )
    missing = [column for column in required if column not in places]
    if missing:
        raise DataError(
            f"{table} lacks columns",
            got=f"no {', '.join(missing)}",
            cure=f"known columns: {', '.join(known)}",
        )
    return places


def _cells(cells: Sequence[str], places: Mapping[str, int]) -> dict[str, str]:
    return {column: cells[index].strip() for column, index in places.items() if index < len(cells)}


def parse(
    line: Line, column: str, convert: Callable[[str], ValueT], problems: Problems
) -> ValueT | None:
    """Convert a cell; None where it is empty, or wrong, which is noted with line and column."""
    if not line[column]:
        return None
    try:
        return convert(line[column])
    except ValueError as error:
        problems.add(line.place(column), str(error))
        return None


def parse_label(line: Line, problems: Problems) -> bool | None:
    """Return the label of a line; None where it says that nobody knows.

    An empty cell is a problem: it may be a slip, and it is no normal film.
    """
    word = line["fracture"]
    if normal_word(word) in UNLABELLED_WORDS:
        return None
    label = label_of_word(word)
    if label is None:
        reason = "is no word for a label" if word else "is empty"
        problems.add(line.place("fracture"), f"{reason}; write 1, 0 or unknown")
    return label


def yes_or_no(text: str) -> bool:
    """Return what a cell says of something that is or is not there."""
    words = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
    if (word := normal_word(text)) not in words:
        raise ValueError("must be 1, 0, yes, no, true or false")
    return words[word]


def regions(text: str) -> tuple[Region, ...]:
    """Return the regions a cell names, several parted by `;`, `|` or `+`.

    Example:
        >>> regions("wrist"), regions("hip; leg")
        (('hand',), ('hip', 'leg'))
    """
    found = [region_of_body_part(part) for part in _SEVERAL.split(text)]
    if None in found:
        raise ValueError("must be hand, leg, hip, shoulder or a body part of theirs")
    return tuple(dict.fromkeys(region for region in found if region is not None))


def views(text: str) -> tuple[str, ...]:
    """Return the projections a cell names, several parted by `;`, `|` or `+`.

    Example:
        >>> views("AP|lateral")
        ('frontal', 'lateral')
    """
    found = [_VIEWS.get(normal_word(part)) for part in _SEVERAL.split(text)]
    if None in found:
        raise ValueError("must be frontal (ap, pa), lateral or oblique")
    return tuple(dict.fromkeys(view for view in found if view is not None))


def day(text: str) -> str:
    """Return a day as `YYYY-MM-DD`.

    Example:
        >>> day("20240131"), day("2024-01-31T08:15")
        ('2024-01-31', '2024-01-31')
    """
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        raise ValueError("must be a day as YYYY-MM-DD") from None


def number(text: str) -> float:
    """Return a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("must be a number, with a point and not a comma")
    return value


def part(text: str) -> str:
    """Return the part of the data set that a cell names."""
    word = split_of_word(text)
    if word == "all":
        raise ValueError("must not be 'all', which means every part")
    return word


def whole(text: str) -> int:
    """Return a whole number, as tables write it (`3`, `3.0`).

    Example:
        >>> whole("3"), whole("-1.0")
        (3, -1)
    """
    value = number(text)
    if not value.is_integer():
        raise ValueError("must be a whole number")
    return int(value)
