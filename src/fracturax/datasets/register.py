"""The register of a training: which films it saw, told by their pixels and never by a name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError

_SIDE = 24
COPY_CORRELATION = 0.992
"""Re-encoded and rescaled films of FracAtlas correlate above 0.997, different ones below 0.987."""


@dataclass(frozen=True, eq=False)
class FilmTrace:
    """What a film leaves in a register.

    Args:
        digest: SHA-256 of the 8-bit display values and their shape, 32 bytes.
        detail: Unit vector, length 576: the film without its slow brightness, 24 x 24.
    """

    digest: bytes
    detail: npt.NDArray[np.float32]


def trace(pixels: npt.NDArray[np.float32]) -> FilmTrace:
    """Take the trace of a film's display values in [0, 1], shape `(rows, columns)`.

    Example:
        >>> film = np.random.default_rng(0).random((90, 70), np.float32)
        >>> len(trace(film).digest), trace(film).detail.shape
        (32, (576,))
    """
    eight_bit = np.round(pixels * 255).astype(np.uint8)
    digest = hashlib.sha256(str(eight_bit.shape).encode())
    digest.update(eight_bit.tobytes())
    small = cv2.resize(eight_bit, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    detail = (small - cv2.GaussianBlur(small, (0, 0), 2)).ravel()
    detail -= detail.mean()
    length = float(np.linalg.norm(detail))
    return FilmTrace(digest.digest(), (detail / max(length, 1e-6)).astype(np.float32))


@dataclass(frozen=True, eq=False)
class FilmRegister:
    """Traces of the films a model was trained on; small enough to travel with the model.

    Args:
        digests: Shape `(n, 32)`, uint8.
        details: Traces' details scaled to ±127, shape `(n, 576)`, int8.
    """

    digests: npt.NDArray[np.uint8]
    details: npt.NDArray[np.int8]

    def __post_init__(self) -> None:
        count = len(self.digests)
        if self.digests.shape != (count, 32) or self.details.shape != (count, _SIDE * _SIDE):
            raise DataError(
                "a register holds 32 bytes and 576 values a film",
                got=f"{self.digests.shape} and {self.details.shape}",
            )

    @classmethod
    def of(cls, traces: Sequence[FilmTrace]) -> FilmRegister:
        """Register films."""
        digests = [np.frombuffer(one.digest, np.uint8) for one in traces]
        details = [
            np.round(one.detail / max(float(np.abs(one.detail).max()), 1e-6) * 127)
            for one in traces
        ]
        return cls(
            np.array(digests, np.uint8).reshape(-1, 32),
            np.array(details, np.int8).reshape(-1, _SIDE * _SIDE),
        )

    def __len__(self) -> int:
        return len(self.digests)

    def holds(self, film: FilmTrace) -> str | None:
        """Say how a film is known: `"itself"`, `"a copy of it"`, or not at all (None).

        A copy is re-encoded or rescaled, and may be mirrored or turned by quarter turns; one that
        was cropped is not found.

        Example:
            >>> film = np.random.default_rng(0).random((90, 70), np.float32)
            >>> register = FilmRegister.of([trace(film)])
            >>> register.holds(trace(film)), register.holds(trace(film[:, ::-1]))
            ('itself', 'a copy of it')
            >>> register.holds(trace(1 - film[:60])) is None
            True
        """
        if not len(self):
            return None
        digest = np.frombuffer(film.digest, np.uint8)
        if (self.digests == digest).all(axis=1).any():
            return "itself"
        square = film.detail.reshape(_SIDE, _SIDE)
        views = [np.rot90(side, turns) for side in (square, square[:, ::-1]) for turns in range(4)]
        alike = self._known @ np.stack([view.ravel() for view in views], axis=1)
        return "a copy of it" if (alike >= COPY_CORRELATION).any() else None

    @cached_property
    def _known(self) -> npt.NDArray[np.float32]:
        known: npt.NDArray[np.float32] = self.details.astype(np.float32)
        known /= np.maximum(np.linalg.norm(known, axis=1, keepdims=True), 1e-6)
        return known

    def as_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the register as named arrays."""
        return {"digests": self.digests, "details": self.details}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> FilmRegister:
        """Return the register that named arrays hold.

        Raises:
            KeyError: If an array is missing.
        """
        return cls(np.asarray(arrays["digests"], np.uint8), np.asarray(arrays["details"], np.int8))
