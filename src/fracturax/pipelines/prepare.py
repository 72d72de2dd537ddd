"""Prepare: from a data set as released to cases fit to be split and learned from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from fracturax.core.case import Case
from fracturax.core.errors import DataError, ImageError
from fracturax.core.image import Radiograph
from fracturax.core.progress import Progress, silent
from fracturax.datasets.copies import find_copies
from fracturax.datasets.fingerprints import Fingerprint, fingerprint
from fracturax.datasets.passport import Split, check_no_leak, film_hash
from fracturax.datasets.splits import DroppedCase, drop_copies, join_groups, regroup

KeptT = TypeVar("KeptT")


@dataclass(frozen=True, eq=False)
class Prepared(Generic[KeptT]):
    """Cases fit for training, all of equal length, and what was dropped.

    Args:
        cases: The cases; `patient_key` names the group of a patient's films and their copies.
        groups: Number of each case's group, also of what only a dropped copy ties together.
        kept: What was kept of each film while it was open.
        dropped: What was left out, and why.
        hashes: Hash of each case's files, by name, where they were read for it; else empty.
        notes: What could not be looked for.
    """

    cases: tuple[Case, ...]
    groups: tuple[int, ...]
    kept: tuple[KeptT, ...]
    dropped: tuple[DroppedCase, ...]
    hashes: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def check(self, split: Split) -> None:
        """Refuse a split that tears a group apart, or is not of these cases.

        Raises:
            LeakageError: If films that belong together stand in two parts.
            DataError: If the split is of other cases.
        """
        names = {case.name for case in self.cases}
        strangers = sorted(names ^ split.fold_of.keys())
        if strangers:
            raise DataError(
                "the split is not of these cases",
                got=f"{len(strangers)} are in one of the two only, such as {strangers[0]}",
                cure="use the same release and clean list, or make a new split",
            )
        if split.hashes:
            split.check_films(hashes_of(self.cases))
        check_no_leak(split, self.group_of)

    @property
    def group_of(self) -> dict[str, int]:
        """Number of the group of each case, by name."""
        return {case.name: group for case, group in zip(self.cases, self.groups, strict=True)}


def prepare(
    cases: Sequence[Case],
    *,
    keep: Callable[[Case, Radiograph], KeptT],
    unwanted: Sequence[DroppedCase] = (),
    progress: Progress = silent,
) -> Prepared[KeptT]:
    """Read all films once; drop what is unwanted, defective or a copy; group what is left.

    Args:
        cases: Cases of one film each.
        keep: What to keep of each film; it is closed afterwards.
        unwanted: Cases that an audit, or a person, struck off.
        progress: Where to tell how far the work is.

    Raises:
        DataError: If a case is a CT.
    """
    if any(case.modality == "ct" for case in cases):
        raise DataError(
            "films are prepared here, and these cases are CTs",
            got=f"{sum(case.modality == 'ct' for case in cases)} of {len(cases)}",
            cure="CTs can be opened, split and audited; films are trained on",
        )
    struck_off = {case.name: case for case in unwanted}
    readable: list[Case] = []
    kept: list[KeptT] = []
    prints: list[Fingerprint] = []
    dropped: list[DroppedCase] = []
    for case in progress(cases, "reading films"):
        if case.name in struck_off:
            dropped.append(struck_off[case.name])
            continue
        try:
            film = only_film(case)
        except ImageError as error:
            dropped.append(DroppedCase(case.name, str(error)))
            continue
        readable.append(case)
        kept.append(keep(case, film))
        prints.append(fingerprint(np.round(film.pixels * 255).astype(np.uint8)))
    pairs = [(pair.one, pair.other) for pair in find_copies(prints)]
    # Groups are joined before copies go: a copy dropped still ties its neighbours together.
    groups = join_groups([case.patient_key for case in readable], pairs)
    readable = list(regroup(readable, groups))
    rows, copies = drop_copies(readable, pairs)
    return Prepared(
        cases=tuple(readable[row] for row in rows),
        groups=tuple(groups[row] for row in rows),
        kept=tuple(kept[row] for row in rows),
        dropped=tuple(sorted([*dropped, *copies], key=lambda case: case.name)),
    )


def prepare_scans(
    cases: Sequence[Case], *, unwanted: Sequence[DroppedCase] = (), progress: Progress = silent
) -> Prepared[None]:
    """Group CTs by patient and by equal files; drop what is unwanted and copies. None is decoded.

    Args:
        cases: Cases of one CT each.
        unwanted: Cases that an audit, or a person, struck off.
        progress: Where to tell how far the work is.
    """
    struck_off = {case.name: case for case in unwanted}
    wanted = [case for case in cases if case.name not in struck_off]
    hashes = {case.name: film_hash(case) for case in progress(wanted, "hashing CTs")}
    first: dict[str, int] = {}
    pairs = [
        (first.setdefault(known, row), row)
        for row, case in enumerate(wanted)
        if (known := hashes[case.name]) is not None
    ]
    groups = join_groups([case.patient_key for case in wanted], pairs)
    rows, copies = drop_copies(wanted, pairs)
    wanted = list(regroup(wanted, groups))
    kept = tuple(wanted[row] for row in rows)
    struck = [struck_off[case.name] for case in cases if case.name in struck_off]
    unhashed = sum(hashes[case.name] is None for case in kept)
    return Prepared(
        cases=kept,
        groups=tuple(groups[row] for row in rows),
        kept=(None,) * len(kept),
        dropped=tuple(sorted([*struck, *copies], key=lambda case: case.name)),
        hashes={case.name: one for case in kept if (one := hashes[case.name]) is not None},
        notes=(
            "CTs were not decoded: damaged ones are not left out, and of copies only files equal "
            "byte for byte were found.",
            *(
                [f"{unhashed} cases share one file, so that the passport has no hash of them."]
                if unhashed
                else []
            ),
        ),
    )


def hashes_of(cases: Sequence[Case]) -> dict[str, str]:
    """Return the hash of each case's files, by name, where it is read from files."""
    hashes = {case.name: film_hash(case) for case in cases}
    return {name: one for name, one in sorted(hashes.items()) if one is not None}


def only_film(case: Case) -> Radiograph:
    """Open a case of one film.

    Raises:
        ImageError: If it cannot be read or holds another number of films.
    """
    study = case.open()
    if study.unreadable:
        raise ImageError(study.unreadable[0].reason)
    if len(study.radiographs) != 1:
        raise ImageError("a training case is one film", got=f"{len(study.radiographs)} films")
    return study.radiographs[0]
