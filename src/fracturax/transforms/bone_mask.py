"""Bones on a film without any training: thresholds within the body, cleaned; and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fracturax.core.image import Radiograph
from fracturax.transforms.body import Mask, enlarge, fill_holes, find_body, keep_parts, small_film
from fracturax.transforms.threshold import (
    Method,
    k_means_thresholds,
    otsu_thresholds,
    separability,
)
from fracturax.transforms.transform import Values

USABLE = 0.5
"""Quality from which a mask is worth using."""
_SURROUND = 0.06
_LEAST_PART = 0.0015
_LARGEST_HOLE = 0.01
_METHODS: tuple[Method, ...] = ("otsu", "multi_otsu", "k_means")


@dataclass(frozen=True, eq=False)
class BoneMask:
    """Bones on a film.

    Args:
        mask: True on bone, shape of the film.
        quality: 0 to 1: how well bone stands out, how crisp its edge is, and whether there is as
            much of it as in a limb. A score of plausibility, not a probability.
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
    holes are filled. Metal counts as bone.

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
    if min(small.shape) < 16 or small.max() <= small.min():
        return BoneMask(np.zeros(film.pixels.shape, bool), 0.0, body.reason)
    relief = _relief(small, body.mask)
    inside = relief[body.mask]
    threshold = _threshold(inside, method)
    bone = _clean((relief > threshold) & body.mask)
    quality, reason = _judge(small, relief, body.mask, bone, threshold)
    return BoneMask(enlarge(bone, film.pixels.shape), quality, reason)


def _relief(small: Values, body: Mask) -> Values:
    """Return grey values raised where they are above their surroundings, in [0, 1] in the body."""
    smooth = np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), np.float32)
    sigma = _SURROUND * max(small.shape)
    weight = cv2.GaussianBlur(body.astype(np.float32), (0, 0), sigma)
    around = cv2.GaussianBlur(smooth * body, (0, 0), sigma) / np.maximum(weight, 1e-3)
    raised = np.where(body, 0.5 * smooth + (smooth - around), 0.0)
    low, high = np.percentile(raised[body], (1, 99)).tolist()
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


def _judge(
    small: Values, relief: Values, body: Mask, bone: Mask, threshold: float
) -> tuple[float, str]:
    """Return the quality, and what is wrong where it is too low."""
    share = float(bone.sum() / max(body.sum(), 1))
    if not bone.any():
        return 0.0, "nothing stands out as bone"
    inner = bone & ~_eroded(bone)
    outer = _eroded(~bone) ^ ~bone
    step = float(small[inner].mean() - small[outer & body].mean()) if (outer & body).any() else 0.0
    facts = {
        "bone hardly stands out from the soft tissue": _ramp(
            separability(relief[body], threshold), 0.45, 0.7
        ),
        "the edge of what looks like bone is blurred": _ramp(step, 0.01, 0.06),
        f"bone would be {share:.0%} of the body": min(
            _ramp(share, 0.02, 0.08), _ramp(0.75 - share, 0.0, 0.2)
        ),
    }
    quality = float(np.prod(list(facts.values())) ** (1 / len(facts)))
    reason = min(facts, key=lambda fact: facts[fact]) if quality < USABLE else ""
    return quality, reason


def _eroded(mask: Mask) -> Mask:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return np.asarray(cv2.erode(mask.astype(np.uint8), disc, borderValue=1), bool)


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
