"""Bones on a film without any training: thresholds within the body, cleaned; and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fracturax.core.image import Radiograph
from fracturax.transforms.body import (
    Mask,
    enlarge,
    fill_holes,
    find_body,
    keep_parts,
    reaching_the_edge,
    small_film,
)
from fracturax.transforms.threshold import (
    Method,
    k_means_thresholds,
    otsu_thresholds,
    separability,
)
from fracturax.transforms.transform import Values

USABLE = 0.6
"""Quality from which a mask is worth using."""
_SURROUND = 0.08
_DARK = 0.05
_WHITE, _EVEN = 0.85, 0.006
_FRAME = 0.012
_CRISP = 0.05
_ALONG, _STRIP = 0.5, 0.08
_WIDEST = 0.2
_TRUNK = (0.5, 0.6)
_CAST = (0.05, 0.10)
_SKIN, _LIMB, _CUT = 0.012, 0.14, 0.5
_MOST_BONE = (0.5, 0.6)
_LEAST_SHUTTER = 0.01
_LEAST_PART = 0.0015
_LARGEST_HOLE = 0.01
_METHODS: tuple[Method, ...] = ("otsu", "multi_otsu", "k_means")


@dataclass(frozen=True, eq=False)
class BoneMask:
    """Bones on a film.

    Args:
        mask: True on bone, shape of the film.
        quality: 0 to 1: how well bone stands out, how crisp its edge is, and whether the film is
            one that this works on: a limb without a cast. A score of plausibility, not a
            probability.
        reason: Why the mask is not usable; empty where it is.
    """

    mask: Mask
    quality: float
    reason: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether it is worth using."""
        return not self.reason


def segment_bone(film: Radiograph, *, method: Method = "multi_otsu") -> BoneMask:
    """Find the bones on a film of any limb.

    Air is left out; what remains is compared with its surroundings, so that a thick part of a
    limb is not taken for bone; a threshold parts bone from soft tissue; small parts go, small
    holes are filled. Metal counts as bone. On trunks, and on limbs in a cast or beside metal
    outside the body, this does not work; there the quality is low and the reason says so.

    Args:
        film: What to segment.
        method: How the threshold is found: `otsu` with two classes, `multi_otsu` with three,
            `k_means` with three.

    Returns:
        The mask and its quality; a blank film gives an empty mask and the reason.
    """
    assert method in _METHODS, "the type says which"
    small = small_film(film.pixels)
    body = find_body(small)
    inner = body.mask & ~_unexposed(small) & ~_frame(small.shape)
    if min(small.shape) < 16 or small.max() <= small.min():
        return BoneMask(np.zeros(film.pixels.shape, bool), 0.0, body.reason)
    relief = _relief(small, inner)
    threshold = _threshold(relief[inner], method)
    bone = _without_strips(_clean((relief > threshold) & inner), inner)
    bone = _crisp_parts(bone, small, inner)
    quality, reason = _judge(small, relief, inner, bone, threshold)
    unsuited = _unsuited(body.mask, inner, bone)
    worst = min(unsuited, key=lambda fact: unsuited[fact])
    if quality > 0 and unsuited[worst] < 1:
        # Not one fact among many: whatever else looks right, the method is not made for it.
        quality *= unsuited[worst]
        reason = worst if quality < USABLE else ""
    return BoneMask(enlarge(bone, film.pixels.shape), quality, reason)


def _relief(small: Values, body: Mask) -> Values:
    """Return how much brighter each pixel is than its surroundings in the body, in [0, 1].

    A difference of logarithms: a thin bone in a dark hand counts as much as a thick one in a thigh.
    """
    smooth = np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), np.float32)
    level = np.log(smooth + np.float32(_DARK))
    sigma = _SURROUND * max(small.shape)
    weight = cv2.GaussianBlur(body.astype(np.float32), (0, 0), sigma)
    around = cv2.GaussianBlur(level * body, (0, 0), sigma) / np.maximum(weight, 1e-3)
    raised = np.where(body, level - around, 0.0)
    low, high = np.percentile(raised[body], (2, 98)).tolist()
    scaled = np.clip((raised - low) / max(high - low, 1e-6), 0, 1)
    return np.asarray(scaled, np.float32)


def _threshold(inside: Values, method: Method) -> float:
    if method == "otsu":
        return otsu_thresholds(inside, classes=2)[0]
    if method == "multi_otsu":
        return otsu_thresholds(inside, classes=3)[1]
    return k_means_thresholds(inside, classes=3)[-1]


def _clean(bone: Mask) -> Mask:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    closer = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    opened = cv2.morphologyEx(bone.astype(np.uint8), cv2.MORPH_OPEN, disc)
    closed = np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, closer), bool)
    kept = keep_parts(closed, least=max(9, round(_LEAST_PART * bone.size)))
    return fill_holes(kept, most=round(_LARGEST_HOLE * bone.size))


def _unexposed(small: Values) -> Mask:
    """Return what lies behind a shutter: white, even, and reaching the edge of the film."""
    smooth = np.asarray(cv2.GaussianBlur(small, (0, 0), 1.5), np.float32)
    slope = np.hypot(cv2.Sobel(smooth, -1, 1, 0), cv2.Sobel(smooth, -1, 0, 1)) / 8
    even = (smooth >= _WHITE) & (slope < _EVEN)
    white = keep_parts(reaching_the_edge(even), least=round(_LEAST_SHUTTER * small.size))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13))
    return np.asarray(cv2.dilate(white.astype(np.uint8), disc), bool)


def _judge(
    small: Values, relief: Values, body: Mask, bone: Mask, threshold: float
) -> tuple[float, str]:
    """Return the quality, and what is wrong where it is too low."""
    share = float(bone.sum() / max(body.sum(), 1))
    if not (bone & _eroded(body)).any():
        return 0.0, "nothing stands out as bone"
    steps = _rim_steps(small, bone, body)
    rim = float(np.quantile(steps[~np.isnan(steps)], 0.35))
    facts = {
        "bone hardly stands out from the soft tissue": _ramp(
            separability(relief[body], threshold), 0.45, 0.7
        ),
        "the edge of what looks like bone is blurred": _ramp(rim, 0.03, 0.12),
        f"bone would be {share:.0%} of the body": _ramp(share, 0.03, 0.1),
        "the film is mostly noise": _ramp(0.7 - _noise_share(small), 0.0, 0.3),
        "what looks like bone is as wide as the body": _ramp(0.4 - _thick_share(bone), 0.0, 0.3),
        "what looks like bone ends at the edge of the film": _ramp(
            0.4 - _share_at_edge(bone, body), 0.0, 0.25
        ),
    }
    quality = float(np.prod(list(facts.values())) ** (1 / len(facts)))
    reason = min(facts, key=lambda fact: facts[fact]) if quality < USABLE else ""
    return quality, reason


def _unsuited(body: Mask, inner: Mask, bone: Mask) -> dict[str, float]:
    """Return what a film may show that this is not made for, and how sure it does not: 0 to 1.

    Bone at the skin is a cast or a splint where the limb behind it is thick; a finger is not.
    """
    size = max(body.shape)
    # Where the body fills the film there is no air to measure from: it is as thick as can be.
    depth = cv2.distanceTransform(body.astype(np.uint8), cv2.DIST_L2, 5)
    width = 1.0 if body.all() else 2 * float(depth.max()) / size
    radius = _LIMB / 2 * size
    thick = cv2.distanceTransform((depth < radius).astype(np.uint8), cv2.DIST_L2, 5) <= radius + 1
    rim = bone & ~_eroded(bone)
    near = max(1, round(_SKIN * size))
    skin_zone = (depth <= near) & ~_cut_off(body, near)
    at_the_skin = rim & skin_zone & thick & bool((depth >= radius).any())
    share = float(bone.sum() / max(inner.sum(), 1))
    skin = float(at_the_skin.sum() / max(rim.sum(), 1))
    return {
        "the body fills the film: a trunk, or no air around a limb": 1 - _ramp(width, *_TRUNK),
        "what looks like bone lies at the skin: a cast, a splint or metal": 1 - _ramp(skin, *_CAST),
        f"bone would be {share:.0%} of the body": 1 - _ramp(share, *_MOST_BONE),
    }


def _cut_off(body: Mask, near: int) -> Mask:
    """Return the lines near where the body is cut straight, by a dark frame or a shutter."""
    cut = np.zeros(body.shape, bool)
    for lines, shown in ((body, cut), (body.T, cut.T)):
        counts = lines.sum(axis=1)
        places = np.flatnonzero(counts)
        # Three lines, because the corners of what `find_body` returns are round.
        if len(places) and counts[places[:3]].max() >= _CUT * counts.max():
            shown[: places[0] + near + 1] = True
        if len(places) and counts[places[-3:]].max() >= _CUT * counts.max():
            shown[places[-1] - near :] = True
    return cut


def _without_strips(bone: Mask, body: Mask) -> Mask:
    """Return the parts of a mask but for strips along an edge of the film or of a shutter.

    A bone ends at an edge; a frame, a bar or the rim of a shutter runs along it.
    """
    rim = bone & ~_eroded(body)
    _, labels, facts, _ = cv2.connectedComponentsWithStats(bone.astype(np.uint8))
    # Two lines of pixels of a part that runs along an edge lie within the width of the disc.
    contact = np.bincount(labels[rim], minlength=len(facts)) / 2
    longest = facts[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
    is_narrow = facts[:, cv2.CC_STAT_AREA] <= _STRIP * max(bone.shape) * longest
    kept = ~is_narrow | (contact <= _ALONG * longest)
    kept[0] = False
    return np.asarray(kept[labels], bool)


def _crisp_parts(bone: Mask, small: Values, body: Mask) -> Mask:
    """Return the parts of a mask whose rim is an edge; a thick part of the body fades instead."""
    steps = _rim_steps(small, bone, body)
    count, labels = cv2.connectedComponents(bone.astype(np.uint8))
    kept = np.zeros(count, bool)
    for part in range(1, count):
        rim = steps[(labels == part) & ~np.isnan(steps)]
        kept[part] = len(rim) > 0 and np.quantile(rim, 0.35) >= _CRISP
    return np.asarray(kept[labels], bool)


def _rim_steps(small: Values, bone: Mask, body: Mask) -> Values:
    """Return the steps of brightness across the rim of bone, relative to it; NaN elsewhere."""
    near = np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), np.float32)
    shape = np.asarray(cv2.GaussianBlur(bone.astype(np.float32), (0, 0), 2.0), np.float32)
    rows, columns = cv2.Sobel(shape, -1, 0, 1), cv2.Sobel(shape, -1, 1, 0)
    length = np.maximum(np.hypot(rows, columns), 1e-6)
    along = cv2.Sobel(near, -1, 0, 1) * rows + cv2.Sobel(near, -1, 1, 0) * columns
    rim = bone & ~_eroded(bone) & _eroded(body)
    # Sobel weighs a slope by 8; over five pixels, relative to the brightness there.
    steps = along / length / 8 * 5 / (near + _DARK)
    return np.where(rim, steps, np.nan).astype(np.float32)


def _frame(shape: tuple[int, ...]) -> Mask:
    """Return the outermost lines, where films have frames and filters nothing to look at."""
    frame = np.ones(shape, bool)
    width = max(1, round(_FRAME * max(shape)))
    frame[width:-width, width:-width] = False
    return frame


def _thick_share(bone: Mask) -> float:
    """Return the share of a mask that lies in a disc wider than bones are."""
    radius = _WIDEST / 2 * max(bone.shape)
    depth = cv2.distanceTransform(np.pad(bone, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    far = cv2.distanceTransform((depth < radius).astype(np.uint8), cv2.DIST_L2, 5)
    return float((bone & (np.asarray(far) <= radius) & (depth.max() >= radius)).sum() / bone.sum())


def _noise_share(small: Values) -> float:
    """Return how much of what varies on a film does so from pixel to pixel, from 0 to about 1."""
    fine = small - np.asarray(cv2.GaussianBlur(small, (0, 0), 1.5), np.float32)
    return float(fine.std() / max(float(small.std()), 1e-6))


def _share_at_edge(bone: Mask, body: Mask) -> float:
    """Return the share of the rim that is no edge of bone, but of the film or of a shutter."""
    rim = bone & ~_eroded(bone)
    return float((rim & ~_eroded(body)).sum() / max(rim.sum(), 1))


def _eroded(mask: Mask) -> Mask:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return np.asarray(cv2.erode(mask.astype(np.uint8), disc, borderValue=1), bool)


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
