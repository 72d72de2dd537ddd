"""What a DICOM header says about an image: acquisition and spacing, never the patient."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from pydicom.dataset import Dataset

from fracturax.core.errors import GeometryError, UnreadableImageError
from fracturax.core.geometry import Geometry, SpacingMeaning
from fracturax.core.image import Acquisition, Laterality

_SIDES: dict[str, Laterality] = {"L": "left", "R": "right", "B": "both"}

# DICOM PS3.16 CID 4010 "DX View", SNOMED CT and the older SRT codes; values of ViewPosition.
_VIEWS = {
    "399348003": "AP",
    "R-10206": "AP",
    "272479007": "PA",
    "R-10214": "PA",
    "399173006": "LL",
    "R-10236": "LL",
    "399198007": "RL",
    "R-10232": "RL",
}


def value_of(dataset: Dataset, keyword: str) -> Any:
    """Return the value of an element, or None if it is absent, empty or no value at all.

    Example:
        >>> value_of(Dataset(), "Rows") is None
        True
    """
    try:
        value = dataset.get(keyword)
    except Exception as error:  # pydicom converts on access, and hostile values fail in any way
        raise UnreadableImageError(
            f"{keyword} cannot be understood",
            got=type(error).__name__,
            cure="export the image again",
        ) from None
    return None if value is None or value == "" else value


def text_of(dataset: Dataset, keyword: str) -> str | None:
    """Return the first value of an element as text without blanks, or None.

    Example:
        >>> dataset = Dataset()
        >>> dataset.Modality = "DX"
        >>> text_of(dataset, "Modality")
        'DX'
    """
    value = value_of(dataset, keyword)
    if isinstance(value, list | tuple) or (
        hasattr(value, "__getitem__") and not isinstance(value, str)
    ):
        value = value[0] if len(value) else None
    text = str(value).strip("\0 ") if value is not None else ""
    return text[:64] or None


def numbers_of(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Return the values of an element as numbers, empty if it is absent.

    Raises:
        UnreadableImageError: If a value is no number (NaN is one here; the caller decides).

    Example:
        >>> dataset = Dataset()
        >>> dataset.PixelSpacing = [0.2, 0.3]
        >>> numbers_of(dataset, "PixelSpacing")
        (0.2, 0.3)
    """
    value = value_of(dataset, keyword)
    if value is None:
        return ()
    several = value if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
    try:
        return tuple(float(number) for number in several)
    except (TypeError, ValueError):
        raise UnreadableImageError(
            f"{keyword} is no number", got="something else", cure="export the image again"
        ) from None


def integer_of(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    """Return the value of an element as a whole number.

    Raises:
        UnreadableImageError: If it is no number, or absent without a default.

    Example:
        >>> integer_of(Dataset(), "NumberOfFrames", 1)
        1
    """
    numbers = numbers_of(dataset, keyword)
    if not numbers and default is not None:
        return default
    if len(numbers) != 1 or not math.isfinite(numbers[0]):
        raise UnreadableImageError(
            f"{keyword} must be one whole number",
            got=f"{len(numbers)} values",
            cure="export the image again",
        )
    return int(numbers[0])


def items_of(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Return the items of a sequence, empty if it is absent.

    Example:
        >>> items_of(Dataset(), "VOILUTSequence")
        ()
    """
    value = value_of(dataset, keyword)
    if value is None or not hasattr(value, "__iter__") or isinstance(value, str | bytes):
        return ()
    return tuple(item for item in value if isinstance(item, Dataset))


def groups_of(dataset: Dataset, frame: int) -> tuple[Dataset, ...]:
    """Return where an attribute of one frame may stand, nearest first.

    That is the per-frame functional groups, the shared ones and the dataset itself.

    References:
        DICOM PS3.3, C.7.6.16 "Multi-frame Functional Groups Module".
    """
    per_frame = items_of(dataset, "PerFrameFunctionalGroupsSequence")
    shared = items_of(dataset, "SharedFunctionalGroupsSequence")
    return (*per_frame[frame : frame + 1], *shared[:1], dataset)


def macro_of(groups: tuple[Dataset, ...], sequence: str, keyword: str) -> Dataset | None:
    """Return the nearest dataset with `keyword`: an item of `sequence`, or the top level.

    Example:
        >>> macro_of((Dataset(),), "FrameVOILUTSequence", "WindowCenter") is None
        True
    """
    for group in groups:
        for item in items_of(group, sequence)[:1]:
            if value_of(item, keyword) is not None:
                return item
    top = groups[-1]
    return top if value_of(top, keyword) is not None else None


def acquisition_of(groups: tuple[Dataset, ...], *, has_color: bool = False) -> Acquisition:
    """Return how an image was made, as far as its header says.

    Args:
        groups: See `groups_of`.
        has_color: Whether its pixels turned out to be coloured.
    """
    top = groups[-1]
    body_part = text_of(top, "BodyPartExamined")
    kvp = numbers_of(top, "KVP")
    is_voltage = len(kvp) == 1 and math.isfinite(kvp[0]) and kvp[0] > 0
    return Acquisition(
        modality=(text_of(top, "Modality") or "OT").upper(),
        body_part=body_part.lower() if body_part else None,
        laterality=_laterality(groups),
        view_position=_view(top),
        kvp=kvp[0] if is_voltage else None,
        has_color=has_color,
        is_phantom=text_of(top, "QualityControlImage") == "YES",
    )


def _laterality(groups: tuple[Dataset, ...]) -> Laterality | None:
    """Image before series before frame, as the nearer one may not contradict the image's own."""
    anatomy = macro_of(groups, "FrameAnatomySequence", "FrameLaterality")
    stated = (
        text_of(groups[-1], "ImageLaterality"),
        text_of(anatomy, "FrameLaterality") if anatomy is not None else None,
        text_of(groups[-1], "Laterality"),
    )
    return next((_SIDES[side.upper()] for side in stated if side and side.upper() in _SIDES), None)


def _view(dataset: Dataset) -> str | None:
    view = text_of(dataset, "ViewPosition")
    if view:
        return view.upper()
    codes = items_of(dataset, "ViewCodeSequence")
    return _VIEWS.get(text_of(codes[0], "CodeValue") or "") if codes else None


def film_geometry(groups: tuple[Dataset, ...]) -> Geometry:
    """Return the pixel spacing of a projection image and what it means.

    PixelSpacing is `calibrated` if the file says how, or if it differs from ImagerPixelSpacing;
    equal to it, it lies in the `imager_plane`; alone, the standard leaves open what it means
    (`unspecified`). ImagerPixelSpacing and NominalScannedPixelSpacing lie in the plane of the
    detector or film. EstimatedRadiographicMagnificationFactor is never applied.

    Raises:
        GeometryError: If a spacing is there but is no pair of positive millimetres.

    References:
        DICOM PS3.3, 10.7.1.1 "Pixel Spacing" and 10.7.1.3 "Pixel Spacing Value Order".
    """
    for spacing, meaning in _spacings(groups):
        if spacing:
            return checked_spacing(spacing, meaning)
    return Geometry()


def checked_spacing(spacing: tuple[float, ...], meaning: SpacingMeaning) -> Geometry:
    """Return the geometry of a spacing (rows, columns) in mm.

    Raises:
        GeometryError: If it is no pair of positive numbers.

    Example:
        >>> checked_spacing((0.2, 0.2), "imager_plane").spacing_mm
        (0.2, 0.2)
    """
    if len(spacing) != 2:
        raise GeometryError(
            "the pixel spacing must be two numbers",
            got=str(len(spacing)),
            cure="correct the spacing in the file, or remove it if it is unknown",
        )
    return Geometry(spacing, meaning)


def spacing_numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """Return the numbers of a spacing, position or orientation.

    Raises:
        GeometryError: If one is no number.
    """
    try:
        return numbers_of(dataset, keyword)
    except UnreadableImageError:
        raise GeometryError(
            f"{keyword} is no number",
            got="something else",
            cure="correct it in the file, or remove it if it is unknown",
        ) from None


def _spacings(groups: tuple[Dataset, ...]) -> Iterator[tuple[tuple[float, ...], SpacingMeaning]]:
    top = groups[-1]
    measures = macro_of(groups, "PixelMeasuresSequence", "PixelSpacing")
    detector = macro_of(groups, "FramePixelDataPropertiesSequence", "ImagerPixelSpacing")
    pixel = spacing_numbers(measures, "PixelSpacing") if measures is not None else ()
    imager = spacing_numbers(detector, "ImagerPixelSpacing") if detector is not None else ()
    meaning: SpacingMeaning = "unspecified"
    if value_of(top, "PixelSpacingCalibrationType") is not None or (imager and imager != pixel):
        meaning = "calibrated"
    elif imager:
        meaning = "imager_plane"
    yield pixel, meaning
    yield imager, "imager_plane"
    yield spacing_numbers(top, "NominalScannedPixelSpacing"), "imager_plane"
