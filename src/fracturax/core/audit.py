"""An Audit: what is wrong with a data set, as lists that a program reads and a page shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Literal

from fracturax.core.report import RESEARCH_USE_NOTICE

TableConflictKind = Literal[
    "tables_cannot_be_read",
    "row_cannot_be_read",
    "listed_but_absent",
    "present_but_not_listed",
    "listed_twice",
    "stored_twice",
    "folder_against_table",
    "table_against_annotation",
    "table_against_itself",
    "annotations_differ",
    "count_against_boxes",
    "size_against_file",
    "box_outside",
    "box_empty",
    "box_twice",
    "polygon_outside_box",
    "unknown_in_annotations",
    "unknown_in_split",
]
Verdict = Literal["shortcut", "weak", "harmless"]
LeakKind = Literal["film", "copy", "patient", "neighbour"]
Pixels = tuple[float, float, float, float]


@dataclass(frozen=True)
class DamagedFile:
    """A file that cannot be used.

    Args:
        name: The film it holds.
        file: Its path below the data set's folder.
        reason: What is wrong with it.
        label: Its label; None where it has none or its sources contradict each other.
    """

    name: str
    file: str
    reason: str
    label: bool | None = None


@dataclass(frozen=True)
class CopyLink:
    """Two files that show one picture.

    Args:
        one: File below the data set's folder.
        other: The other file.
        kind: Whether their pixels are equal.
        change: What was done to one to become the other, in words.
        similarity: How alike they are, 1 for equal pixels.
    """

    one: str
    other: str
    kind: Literal["exact", "near"]
    change: str
    similarity: float


@dataclass(frozen=True)
class CopyGroup:
    """Files that show one picture.

    Args:
        files: The files, below the data set's folder, in the order of the data set.
        labels: Label of each; None where it has none or its sources contradict each other.
        pairs: The pairs that were found.
    """

    files: tuple[str, ...]
    labels: tuple[bool | None, ...]
    pairs: tuple[CopyLink, ...]

    @property
    def has_contrary_labels(self) -> bool:
        """Whether one copy is called fractured and another is not."""
        return {True, False} <= set(self.labels)


@dataclass(frozen=True)
class LabelConflict:
    """Copies of one picture of which some are called fractured and some are not."""

    fractured: tuple[str, ...]
    not_fractured: tuple[str, ...]


@dataclass(frozen=True)
class TableConflict:
    """Two places of a data set that contradict each other, or one that cannot be true.

    Args:
        kind: Which kind of contradiction.
        name: The film, row or entry it is about.
        words: What contradicts what.
        file: The film's file below the data set's folder; empty where there is none.
        boxes: Boxes it is about, as `(row_min, column_min, row_max, column_max)`.
    """

    kind: TableConflictKind
    name: str
    words: str
    file: str = ""
    boxes: tuple[Pixels, ...] = ()


@dataclass(frozen=True)
class Shortcut:
    """How well a property that is no anatomy predicts the label.

    Args:
        trait: Name of the property.
        title: The property in words.
        auroc: Cross-validated area under the ROC curve.
        low: Lower end of its 95 % interval.
        high: Upper end of its 95 % interval.
        surely_above: Lower end of the interval that holds for all properties at once.
        within_region: The area among pairs of films of one region, where the data set names
            regions: what the property says beyond which part of the body it is; else None.
        films: Films it was measured on.
        verdict: `shortcut` where `surely_above` and `within_region` exceed the limit, `weak`
            where it only exceeds chance, or gives a few films away, `harmless` otherwise.
        rule: What it gives away, in words and counts.
        rule_share: Share of fractured films where the rule holds.
        rule_films: Films for which the rule holds.
        other_share: Share of fractured films where it does not.
        cure: What closes it.
    """

    trait: str
    title: str
    auroc: float
    low: float
    high: float
    surely_above: float
    within_region: float | None
    films: int
    verdict: Verdict
    rule: str
    rule_share: float
    rule_films: int
    other_share: float
    cure: str


@dataclass(frozen=True)
class BalanceRow:
    """Films of one value of a property, and how many of them are fractured."""

    value: str
    films: int
    fractured: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Balance:
    """How the label is spread over a property (region, view, hardware, acquisition group)."""

    name: str
    title: str
    rows: tuple[BalanceRow, ...]


@dataclass(frozen=True)
class Leak:
    """Two films that belong together and stand on two sides of a split.

    Args:
        split: Which split: the release's own, or the file that was given.
        kind: Why they belong together.
        one: File below the data set's folder.
        one_side: The side it stands on.
        other: The other file.
        other_side: The side that stands on.
        words: What ties them.
    """

    split: str
    kind: LeakKind
    one: str
    one_side: str
    other: str
    other_side: str
    words: str


@dataclass(frozen=True)
class CleanFile:
    """Whether a file is fit for training, and if not, why."""

    name: str
    file: str
    keep: bool
    reason: str


@dataclass(frozen=True)
class AuditCounts:
    """How much was looked at.

    Args:
        files: Image files below the data set's folder.
        listed: Films that the tables or folders list.
        read: Files that could be read whole.
        fractured: Of the films read, those labelled fractured.
        not_fractured: Those labelled not fractured.
        unlabelled: Those without a label or with contradicting ones.
        kept: Films of the clean list.
    """

    files: int
    listed: int
    read: int
    fractured: int
    not_fractured: int
    unlabelled: int
    kept: int


@dataclass(frozen=True)
class Audit:
    """What was found in a data set.

    Args:
        dataset: Name of its layout.
        folder: Name of its folder.
        software: Name and version of this software.
        counts: How much was looked at.
        truncated: Files whose end is missing.
        unreadable: Files that are damaged in any other way.
        copies: Groups of files that show one picture.
        label_conflicts: Groups of copies whose labels contradict each other.
        table_conflicts: Tables, folders and annotations that contradict each other.
        shortcuts: Properties that are no anatomy, best predictor of the label first.
        balance: How the label is spread.
        leaks: Films that belong together and are torn apart by a split.
        splits: Splits that were checked for leaks.
        clean: Which files are fit for training; not part of the document.
        notes: What has to be known to read the lists.
    """

    dataset: str
    folder: str
    software: str
    counts: AuditCounts
    truncated: tuple[DamagedFile, ...] = ()
    unreadable: tuple[DamagedFile, ...] = ()
    copies: tuple[CopyGroup, ...] = ()
    label_conflicts: tuple[LabelConflict, ...] = ()
    table_conflicts: tuple[TableConflict, ...] = ()
    shortcuts: tuple[Shortcut, ...] = ()
    balance: tuple[Balance, ...] = ()
    leaks: tuple[Leak, ...] = ()
    splits: tuple[str, ...] = ()
    clean: tuple[CleanFile, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def named_shortcuts(self) -> tuple[Shortcut, ...]:
        """The shortcuts that are worth mending."""
        return tuple(one for one in self.shortcuts if one.verdict == "shortcut")

    @property
    def findings(self) -> int:
        """How many things there are to mend: one for each kind of thing that was found."""
        return sum(1 for _ in self.kinds_found())

    def kinds_found(self) -> Iterator[str]:
        """Yield the name of every kind of thing to mend: a list, or a kind within a list."""
        for name in ("truncated", "unreadable", "copies", "label_conflicts"):
            if getattr(self, name):
                yield name
        yield from dict.fromkeys(f"table_conflicts:{one.kind}" for one in self.table_conflicts)
        # Shortcuts that one deed closes (rows, columns, size) are one thing to mend.
        first = {one.cure: one.trait for one in reversed(self.named_shortcuts)}
        yield from (f"shortcuts:{trait}" for trait in first.values())
        yield from dict.fromkeys(f"leaks:{one.split}:{one.kind}" for one in self.leaks)

    def as_document(self) -> dict[str, object]:
        """Return the audit as JSON-able data."""
        lists = {
            field.name: [asdict(one) for one in getattr(self, field.name)]
            for field in fields(self)
            if field.name in _LISTS
        }
        return {
            "fracturax": self.software,
            "notice": RESEARCH_USE_NOTICE,
            "dataset": self.dataset,
            "folder": self.folder,
            "counts": asdict(self.counts),
            "to_mend": list(self.kinds_found()),
            **lists,
            "splits": list(self.splits),
            "notes": list(self.notes),
        }


_LISTS = (
    *("truncated", "unreadable", "copies", "label_conflicts"),
    *("table_conflicts", "shortcuts", "balance", "leaks"),
)
