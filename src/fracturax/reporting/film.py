"""The films of a report as they are shown: 8-bit grey pixels beside the answer about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.finding import Finding
from fracturax.core.image import Image, Volume
from fracturax.core.prediction import ImagePrediction
from fracturax.core.report import Report
from fracturax.reporting.wording import SPACING_WORDS, percent

_STRIP = 256
UNANSWERED = "the model gave no answer about this image"
_MOST_VIEWS = 12


@dataclass(frozen=True)
class View:
    """One plane of an image as it is shown, with the findings that lie in it.

    Args:
        slice: Index of the slice of a volume; None for a film.
        findings: What is marked in it.
    """

    slice: int | None
    findings: tuple[Finding, ...]


def views_of(image: Image, answer: ImagePrediction) -> tuple[View, ...]:
    """Return what has to be shown of an image for every finding to be seen, the decisive first.

    A film is one view. Of a volume each finding shows the middle one of its slices, unless it is
    seen in a view of a more probable one; without findings it shows its middle slice.

    Args:
        image: A film or a volume.
        answer: What was answered about it.

    Returns:
        At least one view, at most twelve.

    Example:
        >>> from fracturax.core.image import Volume
        >>> volume = Volume(np.zeros((9, 4, 4), np.int16), name="ct")
        >>> views_of(volume, ImagePrediction("ct", "no_fracture", 0.01))
        (View(slice=4, findings=()),)
    """
    if not isinstance(image, Volume):
        return (View(None, answer.findings),)
    count = image.pixels.shape[0]
    views: list[View] = []
    for finding in sorted(answer.findings, key=lambda one: -one.probability):
        if any(finding in view.findings for view in views):
            continue
        start, stop = _slices(finding, count)
        index = (start + stop - 1) // 2
        views.append(_view_at(index, answer.findings, count))
    return tuple(views[:_MOST_VIEWS]) or (View(count // 2, ()),)


def marked_views(image: Image, answer: ImagePrediction) -> tuple[View, ...]:
    """Return every plane of an image that a finding reaches through, from the first slice on.

    Args:
        image: A film or a volume.
        answer: What was answered about it.

    Returns:
        The planes; where there is no finding, the one that is shown then.
    """
    if not isinstance(image, Volume) or not answer.findings:
        return views_of(image, answer)
    count = image.pixels.shape[0]
    indices = {index for one in answer.findings for index in range(*_slices(one, count))}
    return tuple(_view_at(index, answer.findings, count) for index in sorted(indices))


def _view_at(index: int, findings: tuple[Finding, ...], count: int) -> View:
    seen = []
    for finding in findings:
        start, stop = _slices(finding, count)
        if start <= index < stop:
            seen.append(finding)
    return View(index, tuple(seen))


def _slices(finding: Finding, count: int) -> tuple[int, int]:
    """Return the slices of a finding within a volume; where it has none, the middle one."""
    start, stop = finding.slices or (count // 2, count // 2 + 1)
    start = min(max(start, 0), count - 1)
    return start, min(max(stop, start + 1), count)


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


def display_pixels(image: Image, *, slice_index: int | None = None) -> npt.NDArray[np.uint8]:
    """Return what a screen shows of an image, shape `(rows, columns)`, 0 black, 255 white.

    A volume shows one slice, the middle one unless told; HU through a bone window (centre 400,
    width 1800 HU), other units from the 1st to the 99th percentile.
    """
    if not isinstance(image, Volume):
        pixels = image.pixels
    else:
        index = image.pixels.shape[0] // 2 if slice_index is None else slice_index
        pixels = image.pixels[index].astype(np.float32)
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


def film_facts(image: Image, answer: ImagePrediction) -> list[tuple[str, str]]:
    """Say what is known about a film, as term and description; what is unknown is said so."""
    facts = []
    if answer.region is not None:
        sure = (
            "" if answer.region_probability is None else f" ({percent(answer.region_probability)})"
        )
        facts.append(("Region seen", f"{answer.region}{sure}"))
    if answer.hardware_probability is not None:
        facts.append(("Metal implant", percent(answer.hardware_probability)))
    acquisition, geometry = image.acquisition, image.geometry
    facts.append(("Body part in file", acquisition.body_part or "not stated"))
    facts.append(("View", acquisition.view_position or "not stated"))
    facts.append(("Side", acquisition.laterality or "not stated"))
    facts.append(("Modality", acquisition.modality))
    facts.append(("Size", " × ".join(str(side) for side in image.pixels.shape) + " px"))
    if geometry.spacing_mm is None:
        facts.append(("Pixel spacing", "not stated"))
    else:
        spacing = " × ".join(f"{value:.4g}" for value in geometry.spacing_mm)
        facts.append(("Pixel spacing", f"{spacing} mm, {SPACING_WORDS[geometry.spacing_meaning]}"))
    return facts
