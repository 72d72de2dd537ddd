"""Whether a film and a CT are a pair: of one patient, one part of the body, one side."""

from __future__ import annotations

from collections.abc import Sequence

from fracturax.core.anatomy import is_out_of_scope, region_of_body_part
from fracturax.core.image import Image, Radiograph, Volume
from fracturax.imaging.patient import is_same_patient

NOT_CHECKED = "film and CT do not both say whose they are: that they are of one patient is trusted"
_WHOLE_TRUNK = frozenset({"abdomen", "wholebody", "abdomenpelvis", "chestabdpelvis", "sacrum"})
"""Parts of a CT that the pelvis lies in."""


def contradiction(films: Sequence[Radiograph], ct: Volume) -> str | None:
    """Return why films and a CT are no pair; None if nothing speaks against it.

    Args:
        films: The films.
        ct: The CT.

    Example:
        >>> import numpy as np
        >>> from fracturax.core.image import Acquisition
        >>> film = Radiograph(np.zeros((8, 8), np.float32), "film",
        ...                   acquisition=Acquisition(laterality="left"))
        >>> ct = Volume(np.zeros((8, 8, 8), np.int16), "ct",
        ...             acquisition=Acquisition(laterality="right"))
        >>> contradiction([film], ct)
        'the film is of the left side, the CT of the right'
    """
    for film in films:
        if is_same_patient(film, ct) is False:
            return "film and CT are of different patients, their files say"
        reason = _other_part(film, ct) or _other_side(film, ct)
        if reason:
            return reason
    return None


def remarks_on(films: Sequence[Radiograph], ct: Volume) -> tuple[str, ...]:
    """Return what could not be checked of a pair."""
    is_known = all(is_same_patient(film, ct) for film in films)
    return () if is_known else (NOT_CHECKED,)


def _other_part(film: Image, ct: Image) -> str | None:
    parts = [one.acquisition.body_part for one in (film, ct)]
    first, second = (region_of_body_part(part) for part in parts)
    differ = first is not None and second is not None and first != second
    shown = "".join(letter for letter in (parts[1] or "").lower() if letter.isalnum())
    strange = (
        first is not None and is_out_of_scope(parts[1])
        and not (first == "hip" and shown in _WHOLE_TRUNK)
    )  # fmt: skip
    strange = strange or (second is not None and is_out_of_scope(parts[0]))
    if not (differ or strange):
        return None
    return f"the film is of the {parts[0]}, the CT of the {parts[1]}, their files say"


def _other_side(film: Image, ct: Image) -> str | None:
    sides = [one.acquisition.laterality for one in (film, ct)]
    if None in sides or "both" in sides or sides[0] == sides[1]:
        return None
    return f"the film is of the {sides[0]} side, the CT of the {sides[1]}"
