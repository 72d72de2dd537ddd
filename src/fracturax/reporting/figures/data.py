"""What figures are drawn from: plain numbers, checked once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError

FloatArray = npt.NDArray[np.float64]


def as_numbers(name: str, values: npt.ArrayLike, *, size: int | None = None) -> FloatArray:
    """Return values as an array of finite numbers, shape `(n,)`.

    Raises:
        DataError: If they are not one row of at least one finite number, or not of that size.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or (size is not None and array.size != size):
        wanted = "at least one" if size is None else str(size)
        raise DataError(f"{name} needs a row of {wanted} numbers", got=f"shape {array.shape}")
    wrong = ~np.isfinite(array)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"{name} holds what is no number", got=f"{array[row]} in row {row + 1}")
    return array


@dataclass(frozen=True, eq=False)
class Curve:
    """A named line, with a band where its interval is known.

    Args:
        name: What it is called in the figure.
        x: Where, shape `(n,)`.
        y: How high, shape `(n,)`.
        low: Lower end of the interval at each point, shape `(n,)`; None without a band.
        high: Upper end; None together with `low`.
        note: A few words after the name, such as an area with its interval.

    Raises:
        DataError: If the rows are not of one length or not finite, or a band is upside down.

    Example:
        >>> Curve("model", [0, 1], [0.5, 0.7], note="AUROC 0.91").label
        'model, AUROC 0.91'
    """

    name: str
    x: npt.ArrayLike
    y: npt.ArrayLike
    low: npt.ArrayLike | None = None
    high: npt.ArrayLike | None = None
    note: str = ""

    def __post_init__(self) -> None:
        x = as_numbers(f"x of {self.name!r}", self.x)
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", as_numbers(f"y of {self.name!r}", self.y, size=x.size))
        if (self.low is None) != (self.high is None):
            raise DataError(f"the band of {self.name!r} needs both ends or none")
        if self.low is not None and self.high is not None:
            low = as_numbers(f"the band of {self.name!r}", self.low, size=x.size)
            high = as_numbers(f"the band of {self.name!r}", self.high, size=x.size)
            if (low > high).any():
                row = int(np.argmax(low > high))
                raise DataError(f"the band of {self.name!r} is upside down", got=f"row {row + 1}")
            object.__setattr__(self, "low", low)
            object.__setattr__(self, "high", high)

    @property
    def label(self) -> str:
        """Name and note."""
        return f"{self.name}, {self.note}" if self.note else self.name

    @property
    def points(self) -> tuple[FloatArray, FloatArray]:
        """The line as arrays."""
        return np.asarray(self.x), np.asarray(self.y)

    @property
    def band(self) -> tuple[FloatArray, FloatArray] | None:
        """The band as arrays, or None."""
        if self.low is None or self.high is None:
            return None
        return np.asarray(self.low), np.asarray(self.high)


@dataclass(frozen=True)
class Mark:
    """A named point on a curve, such as an operating point.

    Args:
        name: What it is called.
        x: Where.
        y: How high.
    """

    name: str
    x: float
    y: float


def check_some(kind: str, items: object) -> None:
    """Raise DataError if there is nothing to draw."""
    if not items:
        raise DataError(f"there is no {kind} to draw", got="none")
