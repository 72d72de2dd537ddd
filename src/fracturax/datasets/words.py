"""What the words mean that people write for a label, a class and a part of their data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from fracturax.core.case import Case
from fracturax.core.errors import DataError

FRACTURE_WORDS = frozenset(
    {"fracture", "fractures", "fractured", "with_fracture", "bone_fracture", "broken"}
    | {"positive", "pos", "yes", "y", "true", "t", "1", "1.0"}
)
"""Words for an image that shows a fracture; case, blanks and hyphens do not count."""

NORMAL_WORDS = frozenset(
    {"normal", "no_fracture", "no_fractures", "non_fracture", "non_fractured", "not_fractured"}
    | {"nonfracture", "nonfractured", "unfractured", "without_fracture", "intact", "healthy"}
    | {"negative", "neg", "no", "n", "false", "f", "0", "0.0"}
)
"""Words for an image that shows none."""

UNLABELLED_WORDS = frozenset({"unknown", "unlabelled", "unlabeled"})
"""Words that say aloud that nobody knows: such an image becomes no case."""

OTHER_CLASSES = frozenset(
    {"metal", "hardware", "implant", "text", "marker", "cast", "splint", "plaster", "axis"}
    | {"foreign_body", "foreignbody", "soft_tissue", "softtissue", "bone_anomaly", "boneanomaly"}
    | {"bone_lesion", "bonelesion", "periosteal_reaction", "periostealreaction"}
    | {"pronator_sign", "pronatorsign", "growth_plate"}
)
"""Classes of boxes that mark something else; such a box is left out."""

_NEGATIONS = frozenset({"no", "non", "not", "without"})
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "dev"), "valid"),
    **dict.fromkeys(("test", "testing"), "test"),
}

BoxClass = Literal["fracture", "normal", "other"]


def normal_word(word: str) -> str:
    """Return a word in the spelling the lists use.

    Example:
        >>> normal_word(" Non-Fractured ")
        'non_fractured'
    """
    return "_".join(word.strip().lower().replace("-", " ").replace("_", " ").split())


def label_of_word(word: str) -> bool | None:
    """Return whether a word means a fracture, or None if it is in neither list.

    Example:
        >>> label_of_word("Fractured"), label_of_word("0"), label_of_word("maybe")
        (True, False, None)
    """
    word = normal_word(word)
    if word in FRACTURE_WORDS:
        return True
    return False if word in NORMAL_WORDS else None


def box_class_of(name: str) -> BoxClass | None:
    """Return what boxes of a class mark, or None if its name does not tell.

    A name of several words marks a fracture if one of them does and none denies it.

    Example:
        >>> [box_class_of(name) for name in ("wrist positive", "no fracture", "metal", "Colles")]
        ['fracture', 'normal', 'other', None]
    """
    word = normal_word(name)
    label = label_of_word(word)
    if label is not None:
        return "fracture" if label else "normal"
    if word in OTHER_CLASSES:
        return "other"
    parts = word.split("_")
    tells = {"fracture", "fractures", "fractured", "positive"} & set(parts)
    return "fracture" if tells and not _NEGATIONS & set(parts) else None


def split_of_word(word: str) -> str:
    """Return `train`, `valid` or `test` for the usual spellings, and any other word as it is.

    Example:
        >>> split_of_word("val"), split_of_word("Training"), split_of_word("ward 3")
        ('valid', 'train', 'ward 3')
    """
    return _SPLIT_WORDS.get(normal_word(word), word.strip())


def is_split_word(word: str) -> bool:
    """Whether a word is a usual name of a part of a data set.

    Example:
        >>> is_split_word("val"), is_split_word("images")
        (True, False)
    """
    return normal_word(word) in _SPLIT_WORDS


def cases_of_split(cases: Sequence[Case], split: str, *, data: str) -> tuple[Case, ...]:
    """Return all cases, or those of a part that the data set itself defines.

    Args:
        cases: All of them.
        split: `all`, or a part; the usual spellings are one (`val`, `valid`, `validation`).
        data: What the data set is called in a message.

    Raises:
        DataError: If there is no case at all, or none of this part.
    """
    if split != "all":
        chosen = tuple(case for case in cases if case.split == split_of_word(split))
        if not chosen:
            raise no_such_split(split, {case.split for case in cases if case.split}, data=data)
        return chosen
    if not cases:
        raise DataError(f"{data} holds no labelled image", cure="check the folder that was given")
    return tuple(cases)


def no_such_split(split: str, known: Iterable[str], *, data: str) -> DataError:
    """Return the error for a part that a data set does not define."""
    return DataError(
        f"{data} has no such split",
        got=repr(split),
        cure=f"known: {', '.join(['all', *sorted(known)])}",
    )
