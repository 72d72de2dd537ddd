"""Acquisition groups: films that were made alike, as far as their files tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fracturax.core.case import Case
from fracturax.core.errors import ImageError
from fracturax.datasets.traits import Traits, acquisition_groups, file_traits
from fracturax.imaging import DEFAULT_LIMITS
from fracturax.imaging.kind import kind_of
from fracturax.imaging.source import FileSource, read_all

OTHER = "other"
"""Name of what is in no group of its own."""

_FEWEST_OF_A_SIZE = 5


def acquisitions_of(cases: Sequence[Case], *, at_least: int = 30) -> list[str]:
    """Return the acquisition group of each case: what its data set says, else what its file says.

    Size, mode, encoding and device make a group; no pixel is decoded. Groups of fewer than
    `at_least` cases, and cases that are more than one file, are `OTHER`.
    """
    traits = [_traits(case.path) for case in cases]
    of_files = acquisition_groups(traits, at_least=min(_FEWEST_OF_A_SIZE, at_least))
    names = [
        case.group or (name if known.classes else OTHER)
        for case, known, name in zip(cases, traits, of_files, strict=True)
    ]
    counts = Counter(names)
    return [name if counts[name] >= at_least else OTHER for name in names]


def _traits(path: Path | None) -> Traits:
    if path is None or not path.is_file():
        return Traits()
    try:
        data = read_all(FileSource(path.name, path), DEFAULT_LIMITS)
        kind = kind_of(data[:1024])
        return file_traits(data, kind) if kind is not None else Traits()
    except ImageError:
        return Traits()
