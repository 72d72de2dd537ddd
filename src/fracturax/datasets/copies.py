"""Finds exact and near copies among many images, whatever was done to them on the way.

Corners whose surroundings look alike nominate pairs of images; each nominated pair is laid over
one another (`overlay`), and the fine detail decides. The time per image does not grow with the
number of images: a corner is compared with a fixed number of neighbours in sorted lists, and an
image is laid over a fixed number of others at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from fracturax.core.progress import Progress, silent
from fracturax.datasets.changes import describe_change
from fracturax.datasets.fingerprints import (
    MIRRORED,
    NEGATIVE,
    SIDE_TELLER,
    TONE_TELLER,
    Fingerprint,
)
from fracturax.datasets.overlay import Overlay, lay_over

NEAR_COPY_SIMILARITY, NEAR_COPY_CORNERS = 0.905, 15
"""Set on one half of FracAtlas; benchmarks/audit/planted.json has what is found of planted ones."""

_SORTINGS, _NEIGHBOURS, _BITS_APART, _LEADING_BITS = 8, 16, 10, 40
_SAMPLE = 100_000
_DEGREES_A_BIN, _SCALE_A_BIN, _SCALE_BINS = 36, 1.6, 9
_FEWEST_VOTES, _MOST_NOMINATIONS = 4, 10

_Codes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class CopyPair:
    """Two images of one content.

    Args:
        one: Index of the first.
        other: Index of the second; larger than `one`.
        kind: `exact` where every grey value is the same.
        change: What turns the one into the other, in words; which came first is not known.
        similarity: 1 in an exact copy; else how well the fine detail correlates, 0.9 and more.
    """

    one: int
    other: int
    kind: Literal["exact", "near"]
    change: str
    similarity: float


def find_copies(prints: Sequence[Fingerprint], *, progress: Progress = silent) -> list[CopyPair]:
    """Find exact copies, and near ones: mirrored, rotated, re-encoded, rescaled, cropped, cut off.

    Of several exact copies each is paired with the first alone, and near copies are looked for
    among the firsts: `splits.join_groups` makes groups of the pairs. An image without texture
    (blank, or a few pixels large) can be found as an exact copy only. Two exposures of one patient
    in one pose are no copies.

    Args:
        prints: One fingerprint an image.
        progress: Where to tell how far the work is.

    Returns:
        The pairs in order, `one < other`; the images' own order changes no more than the indices.

    Example:
        >>> from fracturax.datasets.fingerprints import fingerprint
        >>> film = np.random.default_rng(0).integers(0, 255, (64, 48), np.uint8)
        >>> find_copies([fingerprint(film), fingerprint(film.copy())])
        [CopyPair(one=0, other=1, kind='exact', change='same pixels', similarity=1.0)]
    """
    first_of: dict[str, int] = {}
    pairs = []
    for index, print_ in enumerate(prints):
        first = first_of.setdefault(print_.pixel_sha256, index)
        if first != index:
            pairs.append(CopyPair(first, index, "exact", "same pixels", 1.0))
    firsts = list(first_of.values())
    best: dict[tuple[int, int], Overlay] = {}
    for nomination in progress(
        _nominate([prints[index] for index in firsts]), "comparing likely copies"
    ):
        pair = firsts[nomination.one], firsts[nomination.other]
        overlay = lay_over(
            prints[pair[0]],
            prints[pair[1]],
            mirrored=nomination.mirrored,
            negative=nomination.negative,
        )
        if (
            overlay is None
            or overlay.similarity < NEAR_COPY_SIMILARITY
            or overlay.corners < NEAR_COPY_CORNERS
        ):
            continue
        # Symmetric anatomy lies on its mirror image too, though not as well.
        if pair not in best or overlay.similarity > best[pair].similarity:
            best[pair] = overlay
    for (one, other), overlay in best.items():
        change = describe_change(prints[one], prints[other], overlay)
        pairs.append(CopyPair(one, other, "near", change, round(overlay.similarity, 4)))
    return sorted(pairs, key=lambda pair: (pair.one, pair.other))


class _Nomination(NamedTuple):
    """A pair worth a closer look: which, and what was done to the one."""

    one: int
    other: int
    mirrored: bool
    negative: bool


@dataclass(frozen=True, eq=False)
class _Corners:
    """The corners of all images: whose, where, and their codes, brought to one side and tone.

    A code has 64 bits, one for each number of the descriptor: above the usual or not.
    """

    owner: npt.NDArray[np.int64]
    places: npt.NDArray[np.float32]
    codes: _Codes
    mirrored: npt.NDArray[np.bool_]
    negative: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, prints: Sequence[Fingerprint]) -> _Corners:
        counts = [len(print_.places) for print_ in prints]
        usual = _usual(prints)
        parts = [_encode(print_.descriptors, usual) for print_ in prints]
        codes, mirrored, negative = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cls(
            owner=np.repeat(np.arange(len(prints)), counts),
            places=np.concatenate([print_.places for print_ in prints]),
            codes=codes,
            mirrored=mirrored,
            negative=negative,
        )


def _usual(prints: Sequence[Fingerprint]) -> npt.NDArray[np.float64]:
    """Return the median of each number, over a sample that does not depend on the order."""
    total = sum(len(print_.places) for print_ in prints)
    every = max(1, total // _SAMPLE)
    sample = np.concatenate([print_.descriptors[:: min(every, 16)] for print_ in prints])
    return np.asarray(np.median(_on_one_side(sample)[0], axis=0))


def _on_one_side(
    descriptors: npt.NDArray[np.int8],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Bring descriptors to one side and tone, so that a mirrored or negative copy has the same."""
    mirrored = descriptors[:, SIDE_TELLER] < 0
    turned = np.where(mirrored[:, None], descriptors * MIRRORED, descriptors)
    negative = turned[:, TONE_TELLER] < 0
    return np.where(negative[:, None], turned * NEGATIVE, turned), mirrored, negative


def _encode(
    descriptors: npt.NDArray[np.int8], usual: npt.NDArray[np.float64]
) -> tuple[_Codes, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    turned, mirrored, negative = _on_one_side(descriptors)
    packed = np.packbits(turned > usual, axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view(np.uint64).ravel(), mirrored, negative


def _nominate(prints: Sequence[Fingerprint]) -> list[_Nomination]:
    """Nominate the pairs of images that several corners agree on.

    Like corners vote for a pair of images together with side, tone, turn and scale: by chance,
    a few corners of two films look alike, but hardly in the same turn and scale.
    """
    if not any(len(print_.places) for print_ in prints):
        return []
    corners = _Corners.of(prints)
    first, second = _like_corners(corners)
    mirrored = corners.mirrored[first] != corners.mirrored[second]
    negative = corners.negative[first] != corners.negative[second]
    angle = corners.places[first, 3]
    turn = corners.places[second, 3] - np.where(mirrored, 180 - angle, angle) - 180 * negative
    growth = np.log(corners.places[second, 2] / corners.places[first, 2]) / np.log(_SCALE_A_BIN)
    pair = corners.owner[first] * len(prints) + corners.owner[second]
    ballot = (pair * 2 + mirrored) * 2 + negative
    bins = 360 // _DEGREES_A_BIN
    names, votes = [], []
    for offset in (0.0, 0.5):
        # Twice, half a bin apart: or votes for one turn would be split by a bin's edge.
        turns = np.floor((turn % 360) / _DEGREES_A_BIN + offset).astype(np.int64) % bins
        scales = np.floor(growth + offset + _SCALE_BINS / 2).astype(np.int64)
        place = turns * _SCALE_BINS + np.clip(scales, 0, _SCALE_BINS - 1)
        name, count = np.unique(ballot * (bins * _SCALE_BINS) + place, return_counts=True)
        names.append(name[count >= _FEWEST_VOTES] // (bins * _SCALE_BINS))
        votes.append(count[count >= _FEWEST_VOTES])
    return _most_voted(np.concatenate(names), np.concatenate(votes), len(prints))


def _most_voted(
    ballots: npt.NDArray[np.int64], votes: npt.NDArray[np.int64], images: int
) -> list[_Nomination]:
    """Return, in order, what is among the most voted nominations of either of its images."""
    order = np.lexsort((-votes, ballots))
    ballots, votes = ballots[order], votes[order]
    is_best = np.diff(ballots, prepend=-1) != 0
    ballots, votes = ballots[is_best], votes[is_best]
    one, other = ballots // 4 // images, ballots // 4 % images
    kept = np.zeros(len(ballots), np.bool_)
    sides = np.concatenate([one, other])
    lines = np.tile(np.arange(len(ballots)), 2)
    order = np.lexsort((lines, -votes[lines], sides))
    starts = np.flatnonzero(np.diff(sides[order], prepend=-1))
    ranks = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    kept[lines[order][ranks < _MOST_NOMINATIONS]] = True
    return [
        _Nomination(int(ballot) // 4 // images, int(ballot) // 4 % images,
                    bool(ballot & 2), bool(ballot & 1))
        for ballot in ballots[kept]
    ]  # fmt: skip


def _like_corners(
    corners: _Corners,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return pairs of corners of two images whose codes differ in a few bits.

    The codes are sorted several times, each time with other bits leading. Whatever two codes share
    at the front makes them neighbours once; a code meets 16 neighbours on either side each time,
    however many there are.
    """
    total = len(corners.codes)
    generator = np.random.default_rng(0)
    tellers = [SIDE_TELLER, TONE_TELLER]
    stable = [bit for bit in range(64) if bit not in tellers]
    found = np.zeros(0, np.int64)
    for _ in range(_SORTINGS):
        leading = generator.permutation(stable[:_LEADING_BITS]).tolist()
        keys = _reordered(corners.codes, [*leading, *stable[_LEADING_BITS:], *tellers])
        order = np.argsort(keys, kind="stable")
        keys, owner = keys[order], corners.owner[order]
        pairs = [found]
        for distance in range(1, min(_NEIGHBOURS, total - 1) + 1):
            apart = np.bitwise_count(keys[distance:] ^ keys[:-distance])
            like = np.flatnonzero((apart <= _BITS_APART) & (owner[distance:] != owner[:-distance]))
            ends = np.sort([order[like], order[like + distance]], axis=0)
            pairs.append(ends[0] * total + ends[1])
        found = np.unique(np.concatenate(pairs))
    return found // total, found % total


def _reordered(codes: _Codes, bits: Sequence[int]) -> _Codes:
    """Return the codes with their bits in another order, the first named one highest."""
    position = {bit: 63 - rank for rank, bit in enumerate(bits)}
    values = np.arange(256, dtype=np.uint64)
    keys = np.zeros_like(codes)
    for byte in range(8):
        table = np.zeros(256, np.uint64)
        for bit in range(8):
            is_set = (values >> np.uint64(bit)) & np.uint64(1)
            table |= is_set << np.uint64(position[8 * byte + bit])
        keys |= table[(codes >> np.uint64(8 * byte)) & np.uint64(255)]
    return keys
