"""Audit: what is wrong with a data set, before a model learns it."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

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
    Leak,
    TableConflict,
)
from fracturax.core.case import Case, Polygon, Reference
from fracturax.core.errors import ConfigError, DataError
from fracturax.core.progress import Progress, silent
from fracturax.core.provenance import software_version
from fracturax.core.study import Study
from fracturax.datasets import DATASETS, dataset_at, survey_dataset
from fracturax.datasets.copies import CopyPair, find_copies
from fracturax.datasets.examine import picture_of
from fracturax.datasets.leaks import SplitFilm, find_leaks
from fracturax.datasets.splits import drop_copies, join_groups
from fracturax.datasets.survey import Survey, SurveyedFilm, file_conflicts
from fracturax.datasets.traits import Traits, acquisition_groups, name_traits, number_in
from fracturax.evaluation import wilson_interval
from fracturax.pipelines.audit_scans import audit_scans
from fracturax.pipelines.examination import FileRecord, examine_files
from fracturax.pipelines.shortcuts import LabelledFilm, find_shortcuts
from fracturax.reporting.audit_page import audit_page
from fracturax.reporting.replacement import replacing

_LARGEST_NEIGHBOURHOOD = 10
_NEIGHBOURHOODS = 100
_MOST_ROWS = 24
_TITLES = {
    "region": "Region",
    "view": "View",
    "hardware": "Metal implants",
    "group": "Group the data set names",
    "side": "Side of the release's split",
    "acquisition_group": "Acquisition group: size, mode, encoding, device",
    "folder": "Folder",
}


@dataclass(frozen=True, eq=False)
class _Film:
    """A film of the data set with what its file turned out to be.

    Args:
        said: What the data set says of it.
        record: What its file is; None where there is none.
        traits: Traits of its file and name.
        copy_group: Films that share it show one picture.
        series: Where its number counts, or None.
        number: Its number.
    """

    said: SurveyedFilm
    record: FileRecord | None
    traits: Traits = field(default_factory=Traits)
    copy_group: int = 0
    series: str | None = None
    number: int = 0

    @property
    def is_readable(self) -> bool:
        return self.record is not None and self.record.examined.damage is None

    @property
    def is_usable(self) -> bool:
        """Whether a training could take it: whole, listed, with one label."""
        return self.is_readable and self.said.is_listed and self.said.label is not None


def audit(
    root: str | Path,
    *,
    dataset: str = "auto",
    split: str | Path | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> Audit:
    """Find what is wrong with a data set; nothing of it is changed.

    Every file is read once. What a loader would refuse is collected, and the audit goes on. Of a
    data set of CTs less can be told, and `notes` says what (`audit_scans`).

    Args:
        root: The data set's folder.
        dataset: Name of its layout, or `auto` to recognize it.
        split: A split to check for leaks: JSON with `fold_of`, the fold of each film by name.
        workers: Processes that read; one for each core by default.
        progress: Where to tell how far the work is.

    Raises:
        DataError: If there is no such folder, or it holds no image.
        UnknownNameError: If there is no such layout.
        ConfigError: If the split cannot be read.
    """
    root = Path(root)
    base = root if root.is_dir() else root.parent
    mine = None if split is None else _read_split(Path(split))
    if DATASETS[name := dataset_at(root, name=dataset)].modality == "ct":
        splits_given = {} if mine is None or split is None else {Path(split).name: mine}
        return audit_scans(name, root=root, splits=splits_given, progress=progress)
    survey = survey_dataset(name, root=root)
    films = _examine(survey, base, workers, progress)
    films, copies = _join_copies(films, progress)
    conflicts = [*survey.conflicts]
    for film in films:
        if film.record is not None and film.record.examined.rows:
            seen = film.record.examined
            conflicts += file_conflicts(film.said, seen.rows, seen.columns)
    splits: dict[str, Mapping[str, Sequence[str]]] = dict(survey.splits)
    if mine is not None and split is not None:
        splits[Path(split).name] = mine
        conflicts += _unknown_in_split(Path(split).name, mine, films)
    labelled = [film for film in films if film.is_usable]
    alone = _one_of_each(labelled)
    shortcuts, notes = find_shortcuts(
        [_labelled(film, group) for film, group in zip(alone, _groups(alone), strict=True)],
        progress=progress,
    )
    clean = _clean_list(films)
    return Audit(
        dataset=survey.dataset,
        folder=base.resolve().name,
        software=software_version(),
        counts=_counts(films, clean),
        truncated=tuple(_damaged(films, "truncated")),
        unreadable=tuple(_damaged(films, "unreadable")),
        copies=tuple(copies),
        label_conflicts=tuple(
            _label_conflict(group) for group in copies if group.has_contrary_labels
        ),
        table_conflicts=tuple(conflicts),
        shortcuts=tuple(shortcuts),
        balance=tuple(_balances(labelled, survey)),
        leaks=tuple(_leaks(splits, films)),
        splits=tuple(splits),
        clean=tuple(clean),
        notes=tuple(notes),
    )


def write_audit(
    audit: Audit, *, root: str | Path, out: str | Path, progress: Progress = silent
) -> Path:
    """Write an audit as `audit.json` and as the page `audit.html` with its pictures.

    Args:
        audit: What was found.
        root: The data set's folder, for the pictures.
        out: Folder to write to; made if it is not there.
        progress: Where to tell how far the work is.

    Returns:
        The page.

    Raises:
        ConfigError: If the folder cannot be written to.
    """
    root, out = Path(root), Path(out)
    base = root if root.is_dir() else root.parent
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "the folder for the audit cannot be made",
            got=type(error).__name__,
            cure="give another one: --out FOLDER",
        ) from error
    text = json.dumps(audit.as_document(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    page = audit_page(audit, look=lambda file: picture_of(base / file), progress=progress)
    for name, content in (("audit.json", text), ("audit.html", page)):
        with replacing(out / name) as stream:
            stream.write(content.encode("utf-8", "backslashreplace"))
    return out / "audit.html"


def check_clean_list(path: Path) -> None:
    """Refuse a clean list of a form that there is not, before the work begins.

    Raises:
        ConfigError: If the suffix is neither `.csv` nor `.json`.
    """
    if path.suffix.lower() not in (".csv", ".json"):
        raise ConfigError(
            "a clean list has no such form", got=repr(path.suffix), cure="use .csv or .json"
        )


def write_clean_list(audit: Audit, path: Path) -> None:
    """Write which films are fit for training and why the others are not; none is deleted.

    Args:
        audit: The audit.
        path: Where to: `.csv` or `.json`, each with `name, keep, reason`.

    Raises:
        ConfigError: If the suffix is neither, or the folder cannot be written to.
    """
    check_clean_list(path)
    rows = [{"name": one.name, "keep": one.keep, "reason": one.reason} for one in audit.clean]
    if path.suffix.lower() == ".json":
        text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    else:
        stream = io.StringIO(newline="")
        writer = csv.DictWriter(stream, ["name", "keep", "reason"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "keep": int(bool(row["keep"]))} for row in rows)
        text = stream.getvalue()
    with replacing(path) as out:
        out.write(text.encode("utf-8", "backslashreplace"))


def _examine(survey: Survey, root: Path, workers: int | None, progress: Progress) -> list[_Film]:
    """Read the files of a survey, and put what they are beside what is said of them."""
    stored = [film for film in survey.films if film.file]
    if not stored:
        raise DataError(
            "the folder holds no image file",
            got=root.name,
            cure="give the data set's own folder, with its images",
        )
    records = examine_files(
        [root / film.file for film in stored], workers=workers, progress=progress
    )
    record_of = {film.file: record for film, record in zip(stored, records, strict=True)}
    traits = [_traits(film, record_of[film.file]) for film in stored]
    traits_of = dict(zip((film.file for film in stored), _with_groups(traits), strict=True))
    films = []
    for film in survey.films:
        if not film.file:
            films.append(_Film(film, None))
            continue
        path = PurePosixPath(film.file)
        number = number_in(path.stem)
        series = None if number is None else f"{film.folder}/{number[0]}"
        films.append(
            _Film(
                film,
                record_of[film.file],
                traits_of[film.file],
                series=series,
                number=0 if number is None else number[1],
            )
        )
    return films


def _traits(film: SurveyedFilm, record: FileRecord) -> Traits:
    named, stored = name_traits(film.file, film.folder), record.examined.traits
    return Traits({**stored.classes, **named.classes}, {**stored.numbers, **named.numbers})


def _with_groups(films: Sequence[Traits]) -> list[Traits]:
    """Return traits with the acquisition group, and sites by number instead of by hash."""
    sites = {
        site: f"site {number}"
        for number, site in enumerate(
            dict.fromkeys(film.classes["site"] for film in films if "site" in film.classes), start=1
        )
    }
    named = [
        replace(film, classes={**film.classes, "site": sites[film.classes["site"]]})
        if "site" in film.classes
        else film
        for film in films
    ]
    return [
        replace(film, classes={**film.classes, "acquisition_group": group})
        for film, group in zip(named, acquisition_groups(named), strict=True)
    ]


def _join_copies(films: Sequence[_Film], progress: Progress) -> tuple[list[_Film], list[CopyGroup]]:
    """Return the films with their copy groups, and the groups of more than one."""
    printed = [index for index, film in enumerate(films) if film.record and film.record.print]
    prints = [film.record.print for film in films if film.record and film.record.print]
    pairs = find_copies(prints, progress=progress) if len(prints) > 1 else []
    indices = [(printed[pair.one], printed[pair.other]) for pair in pairs]
    groups = join_groups(range(len(films)), indices)
    joined = [replace(film, copy_group=group) for film, group in zip(films, groups, strict=True)]
    links: dict[int, list[CopyLink]] = defaultdict(list)
    for pair, (one, other) in zip(pairs, indices, strict=True):
        links[groups[one]].append(_link(pair, films[one], films[other]))
    members: dict[int, list[_Film]] = defaultdict(list)
    for film in joined:
        if film.copy_group in links:
            members[film.copy_group].append(film)
    return joined, [
        CopyGroup(
            files=tuple(film.said.file for film in members[group]),
            labels=tuple(film.said.label for film in members[group]),
            pairs=tuple(pairs_of_group),
        )
        for group, pairs_of_group in links.items()
    ]


def _link(pair: CopyPair, one: _Film, other: _Film) -> CopyLink:
    return CopyLink(
        one.said.file, other.said.file, pair.kind, pair.change, round(float(pair.similarity), 4)
    )


def _label_conflict(group: CopyGroup) -> LabelConflict:
    labelled = list(zip(group.files, group.labels, strict=True))
    return LabelConflict(
        fractured=tuple(file for file, label in labelled if label),
        not_fractured=tuple(file for file, label in labelled if label is False),
    )


def _damaged(films: Sequence[_Film], kind: str) -> list[DamagedFile]:
    found = []
    for film in films:
        damage = film.record.examined.damage if film.record else None
        if damage is not None and damage.kind == kind:
            found.append(
                DamagedFile(film.said.name, film.said.file, damage.reason, film.said.label)
            )
    return found


def _one_of_each(films: Sequence[_Film]) -> list[_Film]:
    """Return the first film of each copy group, none of a group whose labels contradict.

    Left in, copies would be counted twice; tied together, a few of them across the numbering make
    one group of nearly all films, and nothing can be measured.
    """
    labels: dict[int, set[bool]] = defaultdict(set)
    for film in films:
        labels[film.copy_group].add(bool(film.said.label))
    first: dict[int, _Film] = {}
    for film in films:
        if len(labels[film.copy_group]) == 1:
            first.setdefault(film.copy_group, film)
    return list(first.values())


def _groups(films: Sequence[_Film]) -> list[int]:
    """Return groups that no fold may tear: patients, or where none is known neighbours."""
    if any(film.said.patient is not None for film in films):
        keys: list[object] = [
            film.said.patient if film.said.patient is not None else index
            for index, film in enumerate(films)
        ]
    else:
        keys = list(_neighbourhoods(films))
    return join_groups([str(key) for key in keys], ())


def _neighbourhoods(films: Sequence[_Film]) -> list[str]:
    """Return runs of neighbouring numbers: up to ten films, fewer where there are few films."""
    size = min(max(len(films) // _NEIGHBOURHOODS, 1), _LARGEST_NEIGHBOURHOOD)
    keys = [f"film {index}" for index in range(len(films))]
    series: dict[str, list[int]] = defaultdict(list)
    for index, film in enumerate(films):
        if film.series is not None:
            series[film.series].append(index)
    for name, members in series.items():
        members.sort(key=lambda index: films[index].number)
        for rank, index in enumerate(members):
            keys[index] = f"{name} {rank // size}"
    return keys


def _labelled(film: _Film, group: int) -> LabelledFilm:
    return LabelledFilm(
        traits=film.traits,
        fracture=bool(film.said.label),
        group=group,
        own=group if film.said.patient is not None else film.copy_group,
        series=film.series,
        number=film.number,
        region=film.said.attributes.get("region", ""),
    )


def _balances(films: Sequence[_Film], survey: Survey) -> list[Balance]:
    """Count films and fractures of each region, view, hardware, group and side."""
    label = np.array([bool(film.said.label) for film in films])
    columns: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for film in films for name in film.said.attributes):
        columns[name] = [film.said.attributes.get(name, "not stated") for film in films]
    for split, sides_of in survey.splits.items():
        columns["side"] = [
            " and ".join(sides_of.get(film.said.name, ())) or f"not in {split}" for film in films
        ]
    for name in ("acquisition_group", "folder"):
        columns[name] = [film.traits.classes[name] for film in films]
    return [
        Balance(name, _TITLES.get(name, name.capitalize()), rows)
        for name, values in columns.items()
        if len(rows := _balance_rows(values, label)) > 1
    ]


def _balance_rows(values: Sequence[str], label: npt.NDArray[np.bool_]) -> tuple[BalanceRow, ...]:
    """Return a row a value, most films first; rare values beyond the first are put together."""
    array = np.array(values)
    counts = Counter(values)
    counted = sorted(counts, key=lambda value: (-counts[value], value))
    shown, rest = counted[:_MOST_ROWS], counted[_MOST_ROWS:]
    rows = [_balance_row(value, label[array == value]) for value in shown]
    if rest:
        inside = np.isin(array, rest)
        rows.append(_balance_row(f"{len(rest)} other values", label[inside]))
    return tuple(rows)


def _balance_row(value: str, label: npt.NDArray[np.bool_]) -> BalanceRow:
    films, fractured = len(label), int(label.sum())
    low, high = wilson_interval(fractured, films)
    return BalanceRow(value, films, fractured, fractured / films, low, high)


def _leaks(splits: Mapping[str, Mapping[str, Sequence[str]]], films: Sequence[_Film]) -> list[Leak]:
    placed = [
        SplitFilm(
            film.said.name,
            film.said.file,
            film.copy_group,
            film.said.patient,
            film.series,
            film.number,
        )
        for film in films
        if film.said.file and film.said.is_listed
    ]
    return [leak for name, sides in splits.items() for leak in find_leaks(name, sides, placed)]


def _read_split(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        fold_of = document["fold_of"]
        return {str(name): (f"fold {fold}",) for name, fold in fold_of.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(
            "the split cannot be read",
            got=f"{type(error).__name__} in {path.name}",
            cure='give JSON with {"fold_of": {name: fold}}',
        ) from None


def _unknown_in_split(
    split: str, sides_of: Mapping[str, Sequence[str]], films: Sequence[_Film]
) -> list[TableConflict]:
    known = {film.said.name for film in films}
    return [
        TableConflict("unknown_in_split", name, f"{split} names a film that is not in the data set")
        for name in sides_of
        if name not in known
    ]


def _counts(films: Sequence[_Film], clean: Sequence[CleanFile]) -> AuditCounts:
    labels = [film.said.label for film in films if film.is_readable]
    return AuditCounts(
        files=sum(1 for film in films if film.said.file),
        listed=len({film.said.name for film in films if film.said.is_listed}),
        read=len(labels),
        fractured=sum(1 for label in labels if label),
        not_fractured=sum(1 for label in labels if label is False),
        unlabelled=sum(1 for label in labels if label is None),
        kept=sum(1 for one in clean if one.keep),
    )


def _clean_list(films: Sequence[_Film]) -> list[CleanFile]:
    """Say of every film whether it is fit for training; of copies as `drop_copies` decides."""
    reasons = [_unfit(film) for film in films]
    fit = [index for index, reason in enumerate(reasons) if not reason]
    first: dict[int, int] = {}
    pairs = [
        (first.setdefault(films[index].copy_group, place), place) for place, index in enumerate(fit)
    ]
    kept, dropped = drop_copies([_case(films[index].said) for index in fit], pairs)
    reason_of = {one.name: one.reason for one in dropped}
    for place in set(range(len(fit))) - set(kept):
        reasons[fit[place]] = reason_of[films[fit[place]].said.name]
    return _by_name(films, reasons)


def _by_name(films: Sequence[_Film], reasons: Sequence[str]) -> list[CleanFile]:
    """Return one line a film: a study of several files is kept if one is, and none is damaged."""
    lines: dict[str, list[CleanFile]] = defaultdict(list)
    for film, reason in zip(films, reasons, strict=True):
        lines[film.said.name].append(CleanFile(film.said.name, film.said.file, not reason, reason))
    chosen = []
    for several in lines.values():
        dropped = [one for one in several if not one.keep]
        damaged = [one for one in dropped if one.reason.startswith(("truncated", "unreadable"))]
        kept = [one for one in several if one.keep]
        chosen.append((damaged or kept or dropped)[0])
    return chosen


def _unfit(film: _Film) -> str:
    """Say why a film cannot be trained on, whatever copies of it there are."""
    if film.record is None:
        return "no file: a table lists it, and nothing is there"
    if film.record.examined.damage is not None:
        damage = film.record.examined.damage
        return f"{damage.kind}: {damage.reason}"
    if not film.said.is_listed:
        return "not listed: no table names it"
    if film.said.label is None and film.said.claims:
        said = (
            f"{claim.source} says {'fractured' if claim.fracture else 'not fractured'}"
            for claim in film.said.claims
        )
        return f"contradicting labels: {', '.join(said)}"
    return "" if film.said.label is not None else "no label"


def _case(film: SurveyedFilm) -> Case:
    """Return a film as `drop_copies` sees it."""
    outlines = tuple(Polygon(outline.polygon) for outline in film.outlines)
    return Case(film.name, Reference(bool(film.label), polygons=outlines), film.name, _never)


def _never() -> Study:
    raise AssertionError("a clean list opens no film")
