"""Forms of a reader study: who reads which case how and when, and the filled ones as one table."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fracturax.core.errors import ConfigError, DataError
from fracturax.evaluation.readers.columns import flag, label, number_or_nothing, parse, read_columns
from fracturax.evaluation.readers.table import COLUMNS

KEY = "key.csv"
"""What is true of each case: for who runs the study, never for a reader."""
_TRUTH_NAMES = ("truth", "reference", "label")
_FORM = ("session", "place", "case", "treatment", "rating", "time_s", "confidence")
_FILLED = ("rating", "time_s", "confidence")
_FORMULA = ("=", "+", "-", "@")
"""What makes a spreadsheet compute a cell that came from elsewhere."""


@dataclass(frozen=True)
class ReaderForms:
    """Forms that were written.

    Args:
        folder: Where they lie.
        cases: How many cases each reader reads under each treatment.
        readers: Names of the readers.
        treatments: Names of the treatments; as many sessions there are.
    """

    folder: Path
    cases: int
    readers: tuple[str, ...]
    treatments: tuple[str, ...]


def write_forms(
    cases: Path,
    *,
    readers: Sequence[str],
    treatments: Sequence[str],
    out: Path,
    seed: int = 0,
) -> ReaderForms:
    """Write one form a reader for a fully crossed, counterbalanced study.

    There are as many sessions as treatments. In each a reader sees every case once, in an order of
    the reader's own, treatment by treatment; as many cases begin with each treatment as can be, and
    from reader to reader they change. Between sessions lies a pause, usually four weeks: cases are
    to be forgotten. What is true of the cases goes into `key.csv` and into no form.

    Args:
        cases: CSV table with the columns `case` and `truth` (or `reference`, or `label`).
        readers: Their names.
        treatments: How cases are read, such as `alone` and `with AI`.
        out: New folder of the forms: `form-<reader>.csv`.
        seed: Of the orders.

    Raises:
        DataError: If the table cannot be read, names a case twice, or a cell would be a formula.
        ConfigError: If a name stands twice or fits no file, or the folder is there already.

    References:
        Gallas et al., "Evaluating imaging and computer-aided detection and diagnosis devices at the
        FDA", Academic Radiology 19:463-477, 2012.
    """
    for kind, names in (("reader", readers), ("treatment", treatments)):
        # Some file systems take names that differ in case alone for one.
        if not names or len({name.casefold() for name in names}) < len(names) or not all(names):
            raise ConfigError(f"each {kind} has a name of its own", got=", ".join(names) or "none")
    unfit = [name for name in readers if Path(name).name != name or name.startswith(".")]
    unfit += [name for name in (*readers, *treatments) if not name.isprintable()]
    if unfit:
        raise ConfigError("a reader's name becomes that of a file", got=repr(unfit[0]))
    if out.exists():
        raise ConfigError("the forms go into a new folder", got=f"{out.name} is there already")
    truth = _truth_of(cases)
    formula = next((one for one in (*truth, *treatments) if one.startswith(_FORMULA)), None)
    if formula is not None:
        raise DataError(
            "a spreadsheet, in which forms are filled, takes a cell for a formula",
            got=repr(formula),
            cure=f"let no case and no treatment begin with one of {' '.join(_FORMULA)}",
        )
    out.mkdir(parents=True)
    _write(out / KEY, ("case", "truth"), [(name, int(one)) for name, one in truth.items()])
    for number, reader in enumerate(readers):
        rows = _schedule(list(truth), treatments, number=number, seed=seed)
        blank = ("",) * len(_FILLED)
        _write(out / f"form-{reader}.csv", _FORM, [(*row, *blank) for row in rows])
    return ReaderForms(out, len(truth), tuple(readers), tuple(treatments))


def collect_forms(folder: Path, *, out: Path, allow_missing: bool = False) -> int:
    """Join filled forms and the key to the table that `fracturax readers analyse` takes.

    Args:
        folder: Where the forms and the key lie.
        out: Table to write.
        allow_missing: Leave out readings without a rating; else one is refused.

    Returns:
        How many readings were joined.

    Raises:
        DataError: If a form or the key is missing or damaged, a reading or its rating is missing,
            stands twice or is no number, or a form names a case that the key does not.
        ConfigError: If the table would take the place of a form or of the key.
    """
    if out.parent.resolve() == folder.resolve() and (
        out.name == KEY or out.name.startswith("form-")
    ):
        raise ConfigError("the table would take the place of a form or the key", got=out.name)
    if not out.parent.is_dir():
        raise ConfigError("there is no such folder", got=out.parent.name)
    truth = _truth_of(folder / KEY)
    forms = sorted(folder.glob("form-*.csv"))
    if not forms:
        raise DataError("there are no forms", got=folder.name, cure="fracturax readers form")
    joined: list[tuple[object, ...]] = []
    seen: dict[str, set[tuple[str, str]]] = {}
    for path in forms:
        reader = path.stem.removeprefix("form-")
        columns = read_columns(path, ("case", "treatment", *_FILLED))
        filled = [_numbers(path, name, columns[name]) for name in _FILLED]
        rows = zip(columns["case"], columns["treatment"], *filled, strict=True)
        for row, (case, treatment, rating, time_s, confidence) in enumerate(rows, 1):
            if case not in truth:
                raise DataError(f"row {row} of {path.name} is of no case of the key", got=case)
            if (case, treatment) in seen.setdefault(reader, set()):
                raise DataError(
                    f"row {row} of {path.name} is there twice", got=f"case {case}, {treatment}"
                )
            seen[reader].add((case, treatment))
            if rating == "" and not allow_missing:
                raise DataError(
                    f"row {row} of {path.name} has no rating",
                    got=f"case {case}, {treatment}",
                    cure="fill it in, or give --allow-missing",
                )
            if rating != "":
                known = (reader, treatment, case, int(truth[case]), rating)
                joined.append((*known, time_s, confidence))
    if not allow_missing:
        _require_whole(seen, truth)
    if not joined:
        raise DataError("no form has a rating", got=f"{len(forms)} empty forms")
    _write(out, (*COLUMNS, "time_s", "confidence"), joined)
    return len(joined)


def _require_whole(seen: dict[str, set[tuple[str, str]]], cases: Collection[str]) -> None:
    """Refuse forms of which a reading was taken out, or one was renamed."""
    treatments = {treatment for readings in seen.values() for _, treatment in readings}
    for reader, readings in seen.items():
        lost = {(case, one) for case in cases for one in treatments} - readings
        if lost:
            case, treatment = min(lost)
            raise DataError(
                f"form-{reader}.csv lacks readings that others have",
                got=f"{len(lost)}, such as case {case}, {treatment}",
                cure="put them back, or give --allow-missing",
            )


def _schedule(
    cases: Sequence[str], treatments: Sequence[str], *, number: int, seed: int
) -> list[tuple[int, int, str, str]]:
    """Return session, place in it, case and treatment of each reading of one reader."""
    # Which treatment a case begins with is the same draw for all readers, moved on by one for each.
    first = np.random.default_rng([seed, 0]).permutation(len(cases)) % len(treatments)
    generator = np.random.default_rng([seed, 1 + number])
    rows = []
    for session in range(len(treatments)):
        place = 0
        for block in range(len(treatments)):
            # Blocks begin with another treatment from reader to reader.
            treatment = (block + number) % len(treatments)
            inside = np.flatnonzero((first + number + session) % len(treatments) == treatment)
            for index in generator.permutation(inside).tolist():
                place += 1
                rows.append((session + 1, place, cases[index], treatments[treatment]))
    return rows


def _truth_of(path: Path) -> dict[str, bool]:
    found = read_columns(path, ("case",), _TRUTH_NAMES)
    named = [name for name in _TRUTH_NAMES if name in found]
    if not named:
        raise DataError(
            f"{path.name} does not say what is true of a case",
            got="no column truth, reference or label",
        )
    names, flags = parse("case", found["case"], label), parse(named[0], found[named[0]], flag)
    truth = dict(zip(names, flags, strict=True))
    if len(truth) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path.name} names a case twice", got=twice)
    return truth


def _numbers(path: Path, column: str, cells: Sequence[str]) -> list[str]:
    """Return numbers as they were written, once each was seen to be one."""
    try:
        parse(column, cells, number_or_nothing)
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from None
    return list(cells)


def _write(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
