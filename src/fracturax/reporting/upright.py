"""Volumes as a reader hangs them: the patient's left on the right of the picture, the front up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.finding import Finding, Mask
from fracturax.core.geometry import Box, Geometry
from fracturax.core.image import Image, Volume
from fracturax.core.prediction import ImagePrediction
from fracturax.core.report import Report

_WANTED = (1.0, 1.0, -1.0)
"""Where rows and columns of a picture lead along x, y, z (LPS): to the left, the back, the feet."""


def upright(report: Report) -> Report:
    """Return a report for pictures, its volumes turned over where their file lies otherwise.

    NIfTI often counts rows from the back to the front and columns from the patient's left. Only
    whole rows and columns are turned over; slices keep their numbers. Coordinates that are told in
    words are those of the stored volume: take them from the report as it was.

    Args:
        report: What is to be shown.
    """
    flips = {image.name: _flips(image) for image in report.study.images}
    if not any(any(flip) for flip in flips.values()):
        return report
    images = tuple(_turned_image(image, flips[image.name]) for image in report.study.images)
    shapes = {image.name: image.pixels.shape[-2:] for image in report.study.images}
    answers = tuple(
        _turned_answer(answer, flips[answer.image], shapes[answer.image])
        for answer in report.prediction.images
    )
    return replace(
        report,
        study=replace(report.study, images=images),
        prediction=replace(report.prediction, images=answers),
    )


def _flips(image: Image) -> tuple[bool, bool]:
    """Return whether rows and columns of an image are shown in reverse."""
    if not isinstance(image, Volume) or image.geometry.affine is None:
        return (False, False)
    directions = np.array(image.geometry.affine)[:3, 1:3]
    main = np.abs(directions).argmax(axis=0).tolist()
    # Columns along the height, or rows across: turning over does not make that upright.
    if main[0] == 0 or main[1] == 2 or main[0] == main[1]:
        return (False, False)
    rows, columns = (
        bool(directions[axis, which] * _WANTED[axis] < 0) for which, axis in enumerate(main)
    )
    return (rows, columns)


def _turned_image(image: Image, flip: tuple[bool, bool]) -> Image:
    if not any(flip):
        return image
    pixels = _turned(image.pixels, flip)
    geometry = Geometry(image.geometry.spacing_mm, image.geometry.spacing_meaning)
    return replace(image, pixels=pixels, geometry=geometry)


def _turned_answer(
    answer: ImagePrediction, flip: tuple[bool, bool], shape: tuple[int, ...]
) -> ImagePrediction:
    if not any(flip):
        return answer
    activation = answer.activation
    if activation is not None:
        activation = replace(
            activation,
            values=np.ascontiguousarray(_turned(activation.values, flip)),
            extent=_turned_box(activation.extent, flip, shape),
        )
    findings = tuple(_turned_finding(one, flip, shape) for one in answer.findings)
    return replace(answer, findings=findings, activation=activation)


def _turned_finding(finding: Finding, flip: tuple[bool, bool], shape: tuple[int, ...]) -> Finding:
    mask = finding.mask
    if mask is not None:
        sides = mask.values.shape[-2:]
        low = [
            size - at - side if is_turned else at
            for at, side, size, is_turned in zip(mask.offset[-2:], sides, shape, flip, strict=True)
        ]
        values = np.ascontiguousarray(_turned(mask.values, flip))
        mask = Mask(values, (*mask.offset[:-2], *low))
    return replace(finding, box=_turned_box(finding.box, flip, shape), mask=mask)


def _turned_box(box: Box, flip: tuple[bool, bool], shape: tuple[int, ...]) -> Box:
    top, left, bottom, right = box.as_tuple()
    if flip[0]:
        top, bottom = shape[0] - bottom, shape[0] - top
    if flip[1]:
        left, right = shape[1] - right, shape[1] - left
    return Box(top, left, bottom, right)


def _turned(values: npt.NDArray[Any], flip: tuple[bool, bool]) -> npt.NDArray[Any]:
    """Return values `(..., rows, columns)` with rows and columns in reverse where asked."""
    rows, columns = (slice(None, None, -1 if one else 1) for one in flip)
    return values[..., rows, columns]
