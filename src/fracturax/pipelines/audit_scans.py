"""Audit of CTs: each is read whole, laid beside its mask and its label, and compared for copies."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fracturax.core.audit import (
    Audit,
    AuditCounts,
    Balance,
    BalanceRow,
    CleanFile,
    CopyGroup,
    CopyLink,
    DamagedFile,
    LabelConflict,
    TableConflict,
)
from fracturax.core.case import Case
from fracturax.core.errors import DataError, ImageError
from fracturax.core.image import Volume
from fracturax.core.progress import Progress, silent
from fracturax.core.provenance import software_version
from fracturax.datasets import open_dataset
from fracturax.datasets.leaks import SplitFilm, find_leaks
from fracturax.datasets.splits import drop_copies
from fracturax.evaluation import wilson_interval
from fracturax.imaging.guard import TRUNCATED

NOTES = (
    "A data set of CTs: each was read whole. Copies are those whose voxels are equal; near copies, "
    "and shortcuts in size, encoding and numbering, are looked for in films only.",
    "Pictures are not shown of CTs.",
)


@dataclass(frozen=True)
class _Scan:
    """A CT as it was found: its voxels' hash, or what is wrong with it."""

    case: Case
    file: str
    sha256: str = ""
    damage: ImageError | None = None


def audit_scans(
    name: str,
    *,
    root: Path,
    splits: Mapping[str, Mapping[str, Sequence[str]]],
    progress: Progress = silent,
) -> Audit:
    """Find what is wrong with a data set of CTs; one CT with its mask is held at a time.

    What the loader refuses is one finding, and then nothing further can be looked at.

    Args:
        name: Name of its layout in `DATASETS`.
        root: Its folder.
        splits: Splits to check for leaks beside its own: sides of each case, by name.
        progress: Where to tell how far the work is.
    """
    base = root if root.is_dir() else root.parent
    conflicts: list[TableConflict] = []
    cases: tuple[Case, ...] = ()
    notes: tuple[str, ...] = NOTES
    try:
        cases = open_dataset(name, root=root)
    except DataError as error:
        conflicts.append(TableConflict("tables_cannot_be_read", name, str(error)))
        notes = ("The loader refused the data set, so that no CT was looked at.", *NOTES)
    scans = [_look(case, base, conflicts) for case in progress(cases, "reading CTs")]
    whole = [scan for scan in scans if scan.damage is None]
    groups: dict[str, list[int]] = defaultdict(list)
    for row, scan in enumerate(whole):
        groups[scan.sha256].append(row)
    copies = [_copies([whole[row] for row in rows]) for rows in groups.values() if len(rows) > 1]
    clean = _clean_list(scans, whole, list(groups.values()))
    sides: dict[str, Mapping[str, Sequence[str]]] = dict(splits)
    known = {case.name for case in cases}
    for split, sides_of in splits.items():
        conflicts += [
            TableConflict("unknown_in_split", one, f"{split} names a CT that is not there")
            for one in sides_of
            if one not in known
        ]
    if own := {case.name: (case.split,) for case in cases if case.split}:
        sides["the data set's own split"] = own
    numbers = {sha256: number for number, sha256 in enumerate(groups)}
    placed = [
        SplitFilm(one.case.name, one.file, numbers[one.sha256], one.case.patient_key)
        for one in whole
    ]
    return Audit(
        dataset=name,
        folder=base.resolve().name,
        software=software_version(),
        counts=_counts(scans, whole, clean),
        truncated=_damaged(scans, truncated=True),
        unreadable=_damaged(scans, truncated=False),
        copies=tuple(copies),
        label_conflicts=tuple(_contrary(one) for one in copies if one.has_contrary_labels),
        table_conflicts=tuple(conflicts),
        balance=_balance([one.case for one in whole]),
        leaks=tuple(leak for split, of in sides.items() for leak in find_leaks(split, of, placed)),
        splits=tuple(sides),
        clean=clean,
        notes=notes,
    )


def _look(case: Case, base: Path, conflicts: list[TableConflict]) -> _Scan:
    """Read a CT and its mask, and note where the two or the label do not agree."""
    file = case.name if case.path is None else case.path.relative_to(base).as_posix()
    try:
        (volume,) = (one for one in case.open().images if isinstance(one, Volume))
    except ImageError as error:
        return _Scan(case, file, damage=error)
    if case.open_labels is not None:
        try:
            labels = case.open_labels().on(volume).counts()
        except (DataError, ImageError) as error:
            conflicts.append(TableConflict("size_against_file", case.name, str(error), file))
        else:
            for part in case.reference.parts:
                if part.label is not None and part.label not in labels:
                    words = f"the mask holds no voxel of {part.name} (label {part.label})"
                    conflicts.append(TableConflict("annotations_differ", case.name, words, file))
    head = f"{volume.pixels.shape} {volume.pixels.dtype}".encode()
    return _Scan(case, file, hashlib.sha256(head + volume.pixels.tobytes()).hexdigest())


def _copies(scans: Sequence[_Scan]) -> CopyGroup:
    first = scans[0].file
    return CopyGroup(
        files=tuple(one.file for one in scans),
        labels=tuple(one.case.reference.fracture for one in scans),
        pairs=tuple(CopyLink(first, one.file, "exact", "same voxels", 1.0) for one in scans[1:]),
    )


def _contrary(group: CopyGroup) -> LabelConflict:
    labelled = list(zip(group.files, group.labels, strict=True))
    return LabelConflict(
        fractured=tuple(file for file, label in labelled if label),
        not_fractured=tuple(file for file, label in labelled if not label),
    )


def _clean_list(
    scans: Sequence[_Scan], whole: Sequence[_Scan], groups: Sequence[Sequence[int]]
) -> tuple[CleanFile, ...]:
    pairs = [(rows[0], row) for rows in groups for row in rows[1:]]
    _, dropped = drop_copies([one.case for one in whole], pairs)
    reason_of = {one.name: one.reason for one in dropped}
    for scan in scans:
        if scan.damage is not None:
            reason_of[scan.case.name] = f"unreadable: {scan.damage}"
    return tuple(
        CleanFile(one.case.name, one.file, one.case.name not in reason_of,
                  reason_of.get(one.case.name, ""))
        for one in scans
    )  # fmt: skip


def _counts(
    scans: Sequence[_Scan], whole: Sequence[_Scan], clean: Sequence[CleanFile]
) -> AuditCounts:
    fractured = sum(one.case.reference.fracture for one in whole)
    return AuditCounts(
        files=len(scans),
        listed=len(scans),
        read=len(whole),
        fractured=fractured,
        not_fractured=len(whole) - fractured,
        unlabelled=0,
        kept=sum(one.keep for one in clean),
    )


def _damaged(scans: Sequence[_Scan], *, truncated: bool) -> tuple[DamagedFile, ...]:
    return tuple(
        DamagedFile(one.case.name, one.file, str(one.damage), one.case.reference.fracture)
        for one in scans
        if one.damage is not None and (one.damage.what == TRUNCATED) == truncated
    )


def _balance(cases: Sequence[Case]) -> tuple[Balance, ...]:
    """Count CTs and fractures of each side of the data set's own split."""
    sides: dict[str, list[bool]] = defaultdict(list)
    for case in cases:
        sides[case.split or "in no part"].append(case.reference.fracture)
    if len(sides) < 2:
        return ()
    rows = []
    for side, labels in sorted(sides.items()):
        low, high = wilson_interval(sum(labels), len(labels))
        share = sum(labels) / len(labels)
        rows.append(BalanceRow(side, len(labels), sum(labels), share, low, high))
    return (Balance("side", "Side of the release's split", tuple(rows)),)
