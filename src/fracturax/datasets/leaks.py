"""Leaks: films that belong together and stand on two sides of a split."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from fracturax.core.audit import Leak, LeakKind

_WORDS: dict[LeakKind, str] = {
    "film": "one film on two sides",
    "copy": "copies of one picture",
    "patient": "films of one patient",
    "neighbour": "neighbouring numbers, often one patient",
}


@dataclass(frozen=True)
class SplitFilm:
    """A film as far as a split is concerned.

    Args:
        name: What the split calls it.
        file: Its file.
        copy_group: Films that share it show one picture.
        patient: Key of its patient, or None where nobody knows.
        series: Numbers are neighbours within it; None where its name holds no number.
        number: Its number.
    """

    name: str
    file: str
    copy_group: int
    patient: str | None = None
    series: str | None = None
    number: int = 0


def find_leaks(
    split: str, sides_of: Mapping[str, Sequence[str]], films: Sequence[SplitFilm]
) -> list[Leak]:
    """Find what a split tears apart: a film, copies, a patient, or neighbours of the numbering.

    Neighbours are looked at where no patient is known, for then they are the best hint at one.
    Of a group that is torn, each film is named once, beside the first of another side.

    Args:
        split: What the split is called.
        sides_of: Sides of each film, by name; one as a rule.
        films: The films.

    Example:
        >>> films = [SplitFilm("a", "a.png", 0), SplitFilm("b", "b.png", 0)]
        >>> leak = find_leaks("mine", {"a": ("train",), "b": ("test",)}, films)[0]
        >>> leak.kind, leak.one_side, leak.other_side
        ('copy', 'train', 'test')
    """
    placed = [(film, side) for film in films for side in sides_of.get(film.name, ())]
    leaks: list[Leak] = []
    for film in films:
        sides = sides_of.get(film.name, ())
        for side in sides[1:]:
            leaks.append(_leak(split, "film", (film, sides[0]), (film, side)))
    copies = list(_torn(placed, ((film.copy_group for film, _ in placed))))
    leaks += [_leak(split, "copy", one, other) for one, other in copies if one[0] != other[0]]
    patients = [(film, side) for film, side in placed if film.patient is not None]
    for one, other in _torn(patients, (film.patient for film, _ in patients)):
        if one[0].copy_group != other[0].copy_group:
            leaks.append(_leak(split, "patient", one, other))
    if not patients:
        leaks += [_leak(split, "neighbour", one, other) for one, other in _neighbours(placed)]
    return leaks


_Placed = tuple[SplitFilm, str]


def _torn(placed: Sequence[_Placed], keys: Iterable[Hashable]) -> Iterator[tuple[_Placed, _Placed]]:
    """Yield each film of a group on two sides, beside the first film of another side."""
    groups: dict[Hashable, list[_Placed]] = {}
    for one, key in zip(placed, keys, strict=True):
        groups.setdefault(key, []).append(one)
    for members in groups.values():
        first = members[0]
        for member in members[1:]:
            if member[1] != first[1]:
                yield first, member


def _neighbours(placed: Sequence[_Placed]) -> Iterator[tuple[_Placed, _Placed]]:
    series: dict[str, list[_Placed]] = {}
    for one in placed:
        if one[0].series is not None:
            series.setdefault(one[0].series, []).append(one)
    for members in series.values():
        members.sort(key=lambda one: one[0].number)
        for one, other in pairwise(members):
            is_next = other[0].number - one[0].number == 1
            if is_next and one[1] != other[1] and one[0].copy_group != other[0].copy_group:
                yield one, other


def _leak(split: str, kind: LeakKind, one: _Placed, other: _Placed) -> Leak:
    return Leak(split, kind, one[0].file, one[1], other[0].file, other[1], _WORDS[kind])
