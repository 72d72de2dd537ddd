"""The body on a film, told from the air around it, at a size at which a film is seen as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.transforms.stretch import stretch
from fracturax.transforms.threshold import otsu_thresholds
from fracturax.transforms.transform import Values

Mask = npt.NDArray[np.bool_]

SMALL_PX = 512
"""Longest side of the film that masks are made from."""
_LEAST_SIDE = 16
_DARKEST_SHARE = 0.45
_LEAST_BODY, _MOST_BODY = 0.03, 0.985
_LEAST_PART = 0.004


@dataclass(frozen=True, eq=False)
class Body:
    """Where the body is.

    Args:
        mask: Shape of the film it was made from.
        reason: Why nothing could be told from air, so that all counts as body; else empty.
    """

    mask: Mask
    reason: str = ""


def small_film(pixels: Values) -> Values:
    """Return a film with its longest side at most `SMALL_PX`, its grey range stretched."""
    scale = SMALL_PX / max(pixels.shape)
    if scale < 1:
        size = [max(1, round(side * scale)) for side in pixels.shape]
        pixels = np.asarray(cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA))
    black, white = np.percentile(pixels, (0.5, 99.5)).tolist()
    return stretch(pixels.astype(np.float32, copy=False), black=black, white=white)


def find_body(small: Values) -> Body:
    """Tell the body from the air on a `small_film`: air is dark, even and reaches the edge."""
    everything = np.ones(small.shape, bool)
    if min(small.shape) < _LEAST_SIDE or small.max() - small.min() < 1e-3:
        return Body(everything, "the film is blank or very small")
    smooth = np.asarray(cv2.GaussianBlur(small, (0, 0), 2.0), np.float32)
    threshold = otsu_thresholds(smooth, classes=3)[0]
    air = smooth <= threshold
    if not air.any() or float(smooth[air].mean()) > _DARKEST_SHARE * threshold + 0.1:
        return Body(everything, "no dark air was found around the body")
    air = reaching_the_edge(air)
    mask = _solid(~air)
    share = float(mask.mean())
    if not _LEAST_BODY <= share <= _MOST_BODY:
        return Body(everything, f"the body would fill {share:.0%} of the film")
    return Body(mask)


def enlarge(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Return a mask of a small film at the size of the film itself, with smooth edges."""
    if mask.shape == shape:
        return mask
    even = mask.astype(np.float32)
    large = cv2.resize(even, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large >= 0.5, bool).reshape(shape)


def keep_parts(mask: Mask, *, least: int) -> Mask:
    """Return the connected parts of a mask that have at least so many pixels."""
    count, labels, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    kept = np.zeros(count, bool)
    kept[1:] = facts[1:, cv2.CC_STAT_AREA] >= least
    return np.asarray(kept[labels], bool)


def fill_holes(mask: Mask, *, most: int | None = None) -> Mask:
    """Return a mask whose holes, or those of at most so many pixels, are filled."""
    outside = np.pad(~mask, 1, constant_values=True)
    _, labels, facts, _ = cv2.connectedComponentsWithStats(outside.astype(np.uint8), connectivity=4)
    is_hole = np.ones(len(facts), bool)
    is_hole[0] = False
    is_hole[labels[0, 0]] = False
    if most is not None:
        is_hole &= facts[:, cv2.CC_STAT_AREA] <= most
    holes = np.asarray(is_hole[labels], bool)[1:-1, 1:-1]
    return np.asarray(mask | holes, bool)


def reaching_the_edge(mask: Mask) -> Mask:
    """Return the connected parts of a mask that reach the edge of the film."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.asarray(np.isin(labels, np.setdiff1d(edge, [0])), bool)


def _solid(mask: Mask) -> Mask:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    opened = np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc), bool)
    kept = keep_parts(opened, least=round(_LEAST_PART * mask.size))
    return np.asarray(cv2.dilate(fill_holes(kept).astype(np.uint8), disc), bool)
