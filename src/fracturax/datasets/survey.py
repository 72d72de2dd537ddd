"""A Survey: what a data set claims about its films, read without refusing anything.

A loader stops at the first contradiction, as training must. An audit goes on: every layout has a
surveyor that notes what is wrong and reads the rest. A layout without one is surveyed through its
loader.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from fracturax.core.audit import Pixels, TableConflict
from fracturax.core.case import Case
from fracturax.core.errors import DataError
from fracturax.datasets.problems import Problems
from fracturax.imaging.kind import claims_to_be_image

_OUTSIDE_PX = 1.0


@dataclass(frozen=True)
class Claim:
    """What one source says of a film's label."""

    source: str
    fracture: bool


@dataclass(frozen=True)
class Outline:
    """A marked fracture as the annotation gives it, however impossible.

    Args:
        box: `(row_min, column_min, row_max, column_max)`.
        polygon: Points `(row, column)` of its outline, empty if there is none.
    """

    box: Pixels
    polygon: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class SurveyedFilm:
    """A film that a data set lists or holds.

    Args:
        name: What the loader calls it.
        file: Its file below the data set's folder; empty if there is none.
        claims: What each source says of its label.
        is_listed: Whether the loader would make a case of it.
        folder: Its folder without the part that stands for the label or the split.
        attributes: Region, view, hardware and the like, in words.
        patient: Key of the patient where the data set knows patients, else None.
        outlines: The marked fractures.
        annotated_size: Rows and columns as an annotation says, or None.
    """

    name: str
    file: str
    claims: tuple[Claim, ...] = ()
    is_listed: bool = True
    folder: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    patient: str | None = None
    outlines: tuple[Outline, ...] = ()
    annotated_size: tuple[int, int] | None = None

    @property
    def label(self) -> bool | None:
        """Whether it is fractured; None if no source says so, or two say the contrary.

        Example:
            >>> SurveyedFilm("a", "a.png", (Claim("folder", True), Claim("table", False))).label
        """
        said = {claim.fracture for claim in self.claims}
        return said.pop() if len(said) == 1 else None


@dataclass(frozen=True)
class Survey:
    """What a data set claims.

    Args:
        dataset: Name of the layout.
        films: Every film that is listed or lies there.
        conflicts: What is wrong with the tables, folders and annotations among themselves.
        splits: Sides of each film in the splits the release gives, by name of the split.
        knows_patients: Whether `patient` of the films is that of persons.
    """

    dataset: str
    films: tuple[SurveyedFilm, ...]
    conflicts: tuple[TableConflict, ...] = ()
    splits: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    knows_patients: bool = False


class NotedProblems(Problems):
    """Problems of a table that are noted as conflicts, every one, and never raised.

    Args:
        data: What the table is called.
        conflicts: Where they are noted.
        file: The file they are about; empty if they are about none.
    """

    def __init__(self, data: str, conflicts: list[TableConflict], *, file: str = "") -> None:
        super().__init__(data, cure="")
        self._noted, self._name, self._file = conflicts, data, file

    def add(self, place: str, reason: str) -> None:
        """Note a problem."""
        super().add(place, reason)
        name = f"{self._name}, {place}"
        self._noted.append(TableConflict("row_cannot_be_read", name, reason, self._file))


def survey_cases(name: str, root: Path, *, knows_patients: bool = False) -> Survey:
    """Survey a layout through its loader; if that refuses, the refusal is a finding.

    Args:
        name: Name of the layout in `DATASETS`.
        root: The data set's folder.
        knows_patients: Whether the layout names patients.
    """
    from fracturax.datasets import open_dataset

    conflicts: list[TableConflict] = []
    cases: tuple[Case, ...] = ()
    base = root if root.is_dir() else root.parent
    try:
        # Patients are told apart by keys that live as long as the audit does.
        cases = open_dataset(name, root=root, salt=secrets.token_hex(16))
    except DataError as error:
        conflicts.append(TableConflict("tables_cannot_be_read", name, str(error)))
    films = [
        _film_of_case(case, file, knows_patients=knows_patients)
        for case in cases
        for file in _files_of(case, base)
    ]
    listed = {film.file for film in films}
    films += unlisted_films((file for file in image_files(base) if file not in listed), conflicts)
    sides = {case.name: (case.split,) for case in cases if case.split}
    return Survey(
        name,
        tuple(films),
        tuple(conflicts),
        {"the data set's own split": sides} if sides else {},
        knows_patients=knows_patients,
    )


def _files_of(case: Case, base: Path) -> list[str]:
    """Return the files of a case, below the data set's folder; of an archive none."""
    if case.path is None or not case.path.exists():
        return [""]
    if case.path.is_file():
        return [case.path.relative_to(base).as_posix()]
    files = sorted(path for path in case.path.iterdir() if path.is_file())
    kept = [path for path in files if claims_to_be_image(path.name)]
    return [path.relative_to(base).as_posix() for path in kept] or [""]


def image_files(root: Path) -> list[str]:
    """Return the files below a folder whose names promise an image, as `a/b.jpg`, in order.

    Hidden files and those of the system (`__MACOSX`) are left out.
    """
    found = []
    for path in root.rglob("*"):
        file = path.relative_to(root)
        if any(part.startswith((".", "__MACOSX")) for part in file.parts):
            continue
        if claims_to_be_image(path.name) and path.suffix and path.is_file():
            found.append(file.as_posix())
    return sorted(found)


def unlisted_films(
    files: Iterable[str],
    conflicts: list[TableConflict],
    *,
    words: str = "the file is there, and no table lists it",
) -> list[SurveyedFilm]:
    """Return films of files that no table lists, and note each as a conflict.

    Example:
        >>> conflicts = []
        >>> unlisted_films(["images/x.png"], conflicts)[0].is_listed, conflicts[0].kind
        (False, 'present_but_not_listed')
    """
    films = []
    for file in files:
        name = PurePosixPath(file).name
        conflicts.append(TableConflict("present_but_not_listed", name, words, file))
        films.append(
            SurveyedFilm(name, file, is_listed=False, folder=str(PurePosixPath(file).parent))
        )
    return films


def outline_conflicts(film: SurveyedFilm) -> list[TableConflict]:
    """Return what is impossible about a film's outlines, whatever its size.

    Example:
        >>> film = SurveyedFilm("a", "a.png", outlines=(Outline((5.0, 5.0, 5.0, 9.0)),))
        >>> [one.kind for one in outline_conflicts(film)]
        ['box_empty']
    """
    found: list[TableConflict] = []

    def add(kind: str, words: str, *boxes: Pixels) -> None:
        found.append(TableConflict(kind, film.name, words, film.file, boxes))  # type: ignore[arg-type]

    seen: dict[Pixels, int] = {}
    for number, outline in enumerate(film.outlines, start=1):
        top, left, bottom, right = box = outline.box
        if bottom <= top or right <= left:
            add("box_empty", f"box {number} has no area: {_size(box)}", box)
            continue
        first = seen.setdefault(box, number)
        if first != number:
            add("box_twice", f"boxes {first} and {number} are the same", box)
        beyond = _beyond(outline.polygon, box)
        if beyond > _OUTSIDE_PX:
            add(
                "polygon_outside_box",
                f"the outline of box {number} reaches {beyond:.0f} px beyond it",
                box,
            )
    return found


def file_conflicts(film: SurveyedFilm, rows: int, columns: int) -> list[TableConflict]:
    """Return what a film's annotation says that its file belies.

    Args:
        film: The film.
        rows: Pixel rows of its file.
        columns: Pixel columns of its file.

    Example:
        >>> film = SurveyedFilm("a", "a.png", outlines=(Outline((5.0, 5.0, 50.0, 9.0)),))
        >>> file_conflicts(film, 40, 40)[0].words
        'box 1 reaches 10 px outside the film of 40 x 40 px'
    """
    found = []
    if film.annotated_size is not None and film.annotated_size != (rows, columns):
        said = "{} x {}".format(*film.annotated_size)
        turned = film.annotated_size == (columns, rows)
        found.append(
            TableConflict(
                "size_against_file",
                film.name,
                f"the annotation says {said} (rows x columns), the file has {rows} x {columns}"
                + ("; it is turned" if turned else ""),
                film.file,
            )
        )
    for number, outline in enumerate(film.outlines, start=1):
        top, left, bottom, right = outline.box
        beyond = max(-top, -left, bottom - rows, right - columns)
        if beyond > _OUTSIDE_PX:
            found.append(
                TableConflict(
                    "box_outside",
                    film.name,
                    f"box {number} reaches {beyond:.0f} px outside the film of "
                    f"{rows} x {columns} px",
                    film.file,
                    (outline.box,),
                )
            )
    return found


def outline_of_coco(annotation: Mapping[str, object]) -> Outline | None:
    """Return the outline of a COCO annotation, or None if its numbers are none.

    Example:
        >>> outline_of_coco({"bbox": [1, 2, 30, 40]}).box
        (2.0, 1.0, 42.0, 31.0)
    """
    try:
        column, row, width, height = (float(side) for side in annotation["bbox"])  # type: ignore[attr-defined]
        rings = annotation.get("segmentation") or []
        numbers = (
            [float(value) for ring in rings for value in ring] if isinstance(rings, list) else []
        )
        polygon = tuple(zip(numbers[1::2], numbers[0::2], strict=True))
    except (KeyError, TypeError, ValueError):
        return None
    if not all(math.isfinite(value) for value in (column, row, width, height, *numbers)):
        return None
    return Outline((row, column, row + height, column + width), polygon)


def _film_of_case(case: Case, file: str, *, knows_patients: bool) -> SurveyedFilm:
    reference = case.reference
    attributes = {
        "region": " + ".join(reference.regions),
        "view": " + ".join(reference.views),
        "hardware": {None: "", True: "hardware", False: "no hardware"}[reference.hardware],
        "group": case.group or "",
    }
    is_known = knows_patients and not case.patient_key.startswith("film-")
    return SurveyedFilm(
        name=case.name,
        file=file,
        claims=(Claim("the data set", reference.fracture),),
        attributes={name: value for name, value in attributes.items() if value},
        patient=case.patient_key if is_known else None,
        outlines=tuple(Outline(box.as_tuple()) for box in reference.boxes or ()),
    )


def _beyond(polygon: Sequence[tuple[float, float]], box: Pixels) -> float:
    """Return by how many pixels a polygon leaves a box."""
    if not polygon:
        return 0.0
    rows, columns = [point[0] for point in polygon], [point[1] for point in polygon]
    return max(box[0] - min(rows), box[1] - min(columns), max(rows) - box[2], max(columns) - box[3])


def _size(box: Pixels) -> str:
    return f"{box[2] - box[0]:g} x {box[3] - box[1]:g} px"
