"""The side of the body that a series shows, as DICOM says it."""

from __future__ import annotations

from collections.abc import Iterable

from fracturax.core.image import Image

_LETTERS = {"left": "L", "right": "R"}


def side_of(images: Iterable[Image]) -> str | None:
    """Return `L` or `R` where all images show that side; None (an empty value) elsewhere.

    References:
        DICOM PS3.3, C.7.3.1 "General Series Module": Laterality is type 2C, so it stands empty
        where the body part is paired and its side is not known.

    Example:
        >>> side_of([]) is None
        True
    """
    sides = {_LETTERS.get(image.acquisition.laterality or "") for image in images}
    return sides.pop() if len(sides) == 1 else None
