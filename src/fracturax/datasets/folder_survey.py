"""Survey of a folder per class: films in no class, or in a class within the other, are noted."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from fracturax.core.audit import TableConflict
from fracturax.datasets.survey import Claim, Survey, SurveyedFilm, image_files, unlisted_films
from fracturax.datasets.words import is_split_word, label_of_word, split_of_word


def survey_folder(root: Path) -> Survey:
    """Survey images that lie in a folder per class; the folder is the label.

    Args:
        root: The folder that holds the classes, or the parts that hold them.
    """
    conflicts: list[TableConflict] = []
    films: list[SurveyedFilm] = []
    strays: list[str] = []
    side_of: dict[str, tuple[str, ...]] = {}
    for file in image_files(root):
        folders = list(PurePosixPath(file).parts[:-1])
        side = folders.pop(0) if folders and is_split_word(folders[0]) else None
        claims = [
            Claim(f"the folder {folder}", label)
            for folder in folders
            if (label := label_of_word(folder)) is not None
        ]
        if not claims or label_of_word(folders[0]) is None:
            strays.append(file)
            continue
        if len({claim.fracture for claim in claims}) > 1:
            words = "a folder of one class lies in a folder of the other"
            conflicts.append(TableConflict("table_against_itself", file, words, file))
        kept = [folder for folder in folders if label_of_word(folder) is None]
        films.append(SurveyedFilm(file, file, tuple(claims), folder="/".join(kept)))
        if side is not None:
            side_of[file] = (split_of_word(side),)
    films += unlisted_films(strays, conflicts, words="it lies in no folder of a class")
    splits = {"train, valid, test": side_of} if side_of else {}
    return Survey("folder", tuple(films), tuple(conflicts), splits)
