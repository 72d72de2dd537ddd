"""A table of vertebral fractures by Genant's grades: one line a vertebra, or one a scan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fracturax.core.case import Part
from fracturax.core.errors import DataError
from fracturax.datasets.problems import Problems
from fracturax.datasets.rows import Line, Table, parse, read_table, whole
from fracturax.datasets.scans import VERTEBRAE
from fracturax.datasets.words import UNLABELLED_WORDS, normal_word
from fracturax.imaging.source import clean_name

NOT_SHOWN = "-"
"""What a cell of a table with a line a scan says of a vertebra that the scan does not show."""

_LONG = ("vertebra", "genant", "label", "kind")
_ALIASES = {
    **dict.fromkeys(("subject", "image", "case", "scan_id", "verse_id", "verseid"), "scan"),
    **dict.fromkeys(("grade", "genant_grade", "fracture_grade"), "genant"),
    **dict.fromkeys(("level",), "vertebra"),
}
_NUMBERS = {name.lower(): number for number, name in VERTEBRAE.items()}
_UNKNOWN = UNLABELLED_WORDS | {"na", "n/a", "nan"}
_CURE = "correct the table; grades are 0, 1, 2, 3, or unknown"


@dataclass(frozen=True)
class Grade:
    """What a table says of one vertebra of one scan.

    Args:
        vertebra: Its name (`L1`).
        genant: 0 normal, 1 mild, 2 moderate, 3 severe; None where nobody graded it.
        label: Its value in the mask, where the table says so.
        kind: The shape of the fracture in the table's words, or empty.
        line: The line of the table that says so.
    """

    vertebra: str
    genant: int | None
    label: int | None = None
    kind: str = ""
    line: int = field(default=0, compare=False)

    @property
    def place(self) -> str:
        """Return where its scan is named, for a message."""
        return f"line {self.line}, column scan"

    def as_part(self, label: int | None) -> Part:
        """Return it as a part of a reference; every grade from 1 on is a fracture.

        Example:
            >>> Grade("L1", 2, kind="wedge").as_part(20)
            Part(name='L1', label=20, fracture=True, kind='Genant 2, wedge')
        """
        fracture = None if self.genant is None else self.genant > 0
        words = [f"Genant {self.genant}"] if self.genant else []
        kind = ", ".join([*words, *([self.kind] if self.kind and fracture else [])])
        return Part(self.vertebra, self.label if self.label is not None else label, fracture, kind)


def read_gradings(path: Path) -> dict[str, tuple[Grade, ...]]:
    """Read a table of gradings, by the scan that each line names.

    Either a line a vertebra, with the columns `scan, vertebra, genant` and as far as there are any
    `label` (value in the mask) and `kind`; or a line a scan, with `scan` and a column for each
    vertebra (`C1` ... `L6`). `scan` may be called `subject`, `image`, `case` or `verse_id`, and
    `genant` may be called `grade`. A vertebra that nobody graded is `unknown`, `NA` or, in a
    line a scan, an empty cell; there `-` is one that the scan does not show. In a line a vertebra
    an empty grade is a problem.

    Args:
        path: CSV file.

    Raises:
        DataError: If it is no such table, or up to twenty of its cells cannot be used.

    References:
        Genant et al., "Vertebral fracture assessment using a semiquantitative technique", Journal
        of Bone and Mineral Research 8, 1137-1148 (1993), doi 10.1002/jbmr.5650080915.
    """
    problems = Problems(clean_name(path.name), cure=_CURE)
    table = read_table(
        path,
        known=("scan", *_LONG, *_NUMBERS),
        required=("scan",),
        aliases=_ALIASES,
        problems=problems,
    )
    _check_form(table, path)
    found: dict[str, dict[str, Grade]] = defaultdict(dict)
    for line in table.lines:
        if not line["scan"]:
            problems.add(line.place("scan"), "is empty")
            continue
        grades = _long(line, problems) if "vertebra" in table.columns else _wide(line, problems)
        for grade in grades:
            if grade.vertebra in found[line["scan"]]:
                problems.add(line.place("vertebra"), "stands there twice for one scan")
            found[line["scan"]][grade.vertebra] = grade
    problems.check()
    return {scan: tuple(grades.values()) for scan, grades in found.items() if grades}


def fracture_of(parts: Mapping[str, Part] | tuple[Part, ...]) -> bool | None:
    """Return whether a scan has a fracture: yes if a vertebra has, no if every one was graded.

    Example:
        >>> fracture_of((Part("L1", fracture=False), Part("L2")))
        >>> fracture_of((Part("L1", fracture=True), Part("L2")))
        True
    """
    values = list(parts.values()) if isinstance(parts, Mapping) else list(parts)
    if any(part.fracture for part in values):
        return True
    return False if values and all(part.fracture is False for part in values) else None


def _check_form(table: Table, path: Path) -> None:
    has_long = {"vertebra", "genant"} <= table.columns
    has_wide = bool(table.columns & set(_NUMBERS))
    if has_long == has_wide:
        raise DataError(
            f"{clean_name(path.name)} is no table of gradings",
            got="both forms" if has_long else "no columns vertebra and genant, and no C1 ... L6",
            cure="write scan, vertebra, genant, one line a vertebra",
        )


def _long(line: Line, problems: Problems) -> list[Grade]:
    number = _NUMBERS.get(normal_word(line["vertebra"]))
    if number is None:
        problems.add(line.place("vertebra"), "is no vertebra C1 to L6")
        return []
    if not line["genant"]:
        problems.add(line.place("genant"), "is empty; write a grade, or unknown")
    genant = parse(line, "genant", _genant, problems)
    label = parse(line, "label", whole, problems)
    return [Grade(VERTEBRAE[number], genant, label, line["kind"], line.number)]


def _wide(line: Line, problems: Problems) -> list[Grade]:
    return [
        Grade(VERTEBRAE[number], parse(line, column, _genant, problems), line=line.number)
        for column, number in _NUMBERS.items()
        if column in line.cells and line[column] != NOT_SHOWN
    ]


def _genant(text: str) -> int | None:
    if normal_word(text) in _UNKNOWN:
        return None
    try:
        grade = whole(text)
    except ValueError:
        grade = -1
    if not 0 <= grade <= 3:
        raise ValueError("must be a grade 0, 1, 2, 3, or unknown")
    return grade
