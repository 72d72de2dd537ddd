"""What tells an image from its copies: a hash of its pixels and a thumbnail of its detail."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.image import Radiograph

_SIDE = 64
NEAR_COPY_CORRELATION = 0.96
"""On FracAtlas known copies correlate above 0.97, the most alike different films below 0.95."""


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Identity of an image's content, whatever its file is called.

    Args:
        pixel_sha256: Hash of the 8-bit display values and the shape: equal in exact copies.
        detail: Unit vector, length 4096: the image without its slow brightness, 64 x 64.
    """

    pixel_sha256: str
    detail: npt.NDArray[np.float32]


def fingerprint(film: Radiograph) -> Fingerprint:
    """Fingerprint a film.

    Example:
        >>> film = Radiograph(np.eye(80, dtype=np.float32))
        >>> round(float(np.linalg.norm(fingerprint(film).detail)), 3)
        1.0
    """
    eight_bit = np.round(film.pixels * 255).astype(np.uint8)
    digest = hashlib.sha256(str(eight_bit.shape).encode())
    digest.update(eight_bit.tobytes())
    small = cv2.resize(eight_bit, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    # Anatomy laid out alike is no copy: compare what is left without the slow brightness.
    detail = (small - cv2.GaussianBlur(small, (0, 0), 4)).ravel()
    detail -= detail.mean()
    length = float(np.linalg.norm(detail))
    return Fingerprint(digest.hexdigest(), (detail / max(length, 1e-6)).astype(np.float32))


def copy_pairs(
    prints: Sequence[Fingerprint], *, at_least: float = NEAR_COPY_CORRELATION
) -> list[tuple[int, int]]:
    """Return the index pairs of exact and near copies (re-encoded, rescaled), `i < j`.

    Compares in blocks: memory stays at a few hundred megabytes for any number of images.
    """
    details = np.stack([one.detail for one in prints])
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(details), 1024):
        alike = details[start : start + 1024] @ details[start:].T >= at_least
        rows, columns = np.nonzero(np.triu(alike, k=1))
        pairs.extend(zip((rows + start).tolist(), (columns + start).tolist(), strict=True))
    by_hash: dict[str, int] = {}
    for index, one in enumerate(prints):
        first = by_hash.setdefault(one.pixel_sha256, index)
        if first != index:
            pairs.append((first, index))
    return sorted(set(pairs))
