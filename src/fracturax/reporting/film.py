"""The films of a report as they are shown: 8-bit grey pixels beside the answer about them."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.image import Image, Volume
from fracturax.core.prediction import ImagePrediction
from fracturax.core.report import Report

_STRIP = 256
UNANSWERED = "the model gave no answer about this image"


def answered_images(report: Report) -> Iterator[tuple[Image, ImagePrediction]]:
    """Yield every image of the study with its answer; one the model left out is not assessed."""
    answers = {answer.image: answer for answer in report.prediction.images}
    for image in report.study.images:
        left_out = ImagePrediction(
            image=image.name,
            status="not_assessed",
            reason=report.prediction.reason or UNANSWERED,
        )
        yield image, answers.get(image.name, left_out)


def display_pixels(image: Image) -> npt.NDArray[np.uint8]:
    """Return what a screen shows of an image, shape `(rows, columns)`, 0 black, 255 white.

    A volume shows its middle slice; HU through a bone window (centre 400, width 1800 HU), other
    units from the 1st to the 99th percentile.
    """
    if not isinstance(image, Volume):
        pixels = image.pixels
    else:
        pixels = image.pixels[image.pixels.shape[0] // 2].astype(np.float32)
        low, high = (
            (-500.0, 1300.0) if image.unit == "HU" else map(float, np.percentile(pixels, (1, 99)))
        )
        pixels = (pixels - low) / max(high - low, 1e-6)
    # Strip by strip: a large film in floats is 30 MB, and several are shown at once.
    shown = np.empty(pixels.shape, np.uint8)
    for top in range(0, len(pixels), _STRIP):
        strip: npt.NDArray[np.float32] = np.nan_to_num(pixels[top : top + _STRIP])
        shown[top : top + _STRIP] = np.rint(np.clip(strip, 0, 1, out=strip) * 255)
    return shown


def shrink(pixels: npt.NDArray[np.uint8], *, longest_px: int) -> npt.NDArray[np.uint8]:
    """Return pixels whose longest side is at most `longest_px`; smaller ones as they are."""
    scale = longest_px / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[1::-1])
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
