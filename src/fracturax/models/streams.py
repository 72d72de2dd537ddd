"""The streams of a fusion: their names, how wide they are, and clinical fields as numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ModelError

STREAMS = ("xray", "ct", "radiomics_film", "radiomics_ct", "clinical")
"""All streams, in the order of every array that has one entry a stream."""
INPUTS = (*STREAMS, "present", "xray_map", "ct_map")
"""What a fusion takes, in order; also the names of its graph's inputs."""
MECHANISMS = ("fall", "traffic", "sport", "crush", "other")
_OLDEST = 120.0
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class StreamSizes:
    """How many numbers each stream brings; at least one each.

    Raises:
        ModelError: If a stream brings none.

    Example:
        >>> StreamSizes(xray=96, ct=128).as_tuple()
        (96, 128, 1, 1, 10)
    """

    xray: int = 1
    ct: int = 1
    radiomics_film: int = 1
    radiomics_ct: int = 1
    clinical: int = 5 + len(MECHANISMS)

    def __post_init__(self) -> None:
        if min(self.as_tuple()) < 1:
            raise ModelError("every stream brings at least one number", got=str(self.as_tuple()))

    def as_tuple(self) -> tuple[int, ...]:
        """Return the sizes in the order of `STREAMS`."""
        return tuple(int(getattr(self, name)) for name in STREAMS)


@dataclass(frozen=True)
class Clinical:
    """What is known of a patient beside the images; None where it is not.

    Args:
        age_years: Age.
        sex: `F`, `M` or `O`, as DICOM's Patient's Sex.
        mechanism: One of `MECHANISMS`.

    Raises:
        ModelError: If a field is outside its range.

    Example:
        >>> Clinical(age_years=60.0, sex="F", mechanism="fall").as_vector().tolist()
        [0.5, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
        >>> Clinical().is_known
        False
    """

    age_years: float | None = None
    sex: str | None = None
    mechanism: str | None = None

    def __post_init__(self) -> None:
        if self.age_years is not None and not 0 <= self.age_years <= _OLDEST:
            raise ModelError("an age lies in 0 to 120 years", got=str(self.age_years))
        if self.sex not in (None, "F", "M", "O"):
            raise ModelError("sex is F, M or O", got=repr(self.sex))
        if self.mechanism is not None and self.mechanism not in MECHANISMS:
            raise ModelError(
                "there is no such mechanism",
                got=repr(self.mechanism),
                cure=f"known: {', '.join(MECHANISMS)}",
            )

    @property
    def is_known(self) -> bool:
        """Whether any field is known; if not, the stream is absent."""
        return (self.age_years, self.sex, self.mechanism) != (None, None, None)

    def as_vector(self) -> Floats:
        """Return the fields as numbers; what is missing says so by its own entry."""
        age = (0.0, 0.0) if self.age_years is None else (self.age_years / _OLDEST, 1.0)
        sex = (float(self.sex == "F"), float(self.sex == "M"), float(self.sex is not None))
        return np.array(
            [*age, *sex, *(float(self.mechanism == one) for one in MECHANISMS)], np.float32
        )


def present_of(names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Return which streams are present, shape `(5,)`.

    Raises:
        ModelError: If there is none, or one of no such name.

    Example:
        >>> present_of(("ct",)).tolist()
        [False, True, False, False, False]
    """
    unknown = [name for name in names if name not in STREAMS]
    if unknown or not names:
        raise ModelError(
            "a fusion reads some of its streams",
            got=", ".join(unknown) or "none",
            cure=f"known: {', '.join(STREAMS)}",
        )
    return np.array([name in names for name in STREAMS])
