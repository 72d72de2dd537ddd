"""Secondary capture: an annotated copy of each film, and the study's answers as one page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from fracturax.core.report import Report
from fracturax.imaging.attributes import text_of
from fracturax.reporting.dicom.attributes import notice, stamp
from fracturax.reporting.dicom.sides import side_of
from fracturax.reporting.dicom.source import SourceImage, reference_to
from fracturax.reporting.film import View, views_of
from fracturax.reporting.picture import draw_picture
from fracturax.reporting.sheet import draw_sheet

MARK = "ANNOTATED COPY"
_LONGEST_PX = 2560
"""A larger film is drawn smaller: a copy in colour takes 3 bytes a pixel, not for measuring."""
_SEEN_AT_PX = 1000
"""Size at which a copy is usually seen on a screen; its words are drawn to be read then."""


def make_sc(report: Report, sources: Sequence[SourceImage]) -> list[Dataset]:
    """Return an annotated copy of each film, and one page with the answers about the study.

    A copy is drawn at the film's own size up to 2560 pixels, under the answer and above the notice.
    It says that it is a copy and carries no pixel spacing: nothing is to be measured in it. A
    volume gives the middle slice of each finding, or its middle slice.

    Args:
        report: What was answered.
        sources: The stored objects of its images, in their order.

    Returns:
        The copies, image by image, and the page last.

    References:
        DICOM PS3.3, A.8.1 "Secondary Capture Image IOD", C.8.6 "Secondary Capture Modules".
    """
    copies: list[Dataset] = []
    for source in sources:
        for view in views_of(source.image, source.answer):
            copies.append(_copy(report, sources, source, view, number=len(copies) + 1))
    return [*copies, _page(report, sources, number=len(copies) + 1)]


def _copy(
    report: Report,
    sources: Sequence[SourceImage],
    source: SourceImage,
    view: View,
    *,
    number: int,
) -> Dataset:
    image, plane = source.image, view.slice or 0
    longest = min(max(image.pixels.shape[-2:]), _LONGEST_PX)
    picture = draw_picture(
        report,
        image=image.name,
        view=view,
        longest_px=_LONGEST_PX,
        text_scale=max(1.0, longest / _SEEN_AT_PX),
        marks=(MARK,),
    )
    made = _capture(picture.pixels)
    made.Laterality = side_of((image,))
    made.ImageComments = f"{MARK}, not for diagnosis or measurement. {notice(report)}"
    made.DerivationDescription = "Copy of the source image with boxes and words drawn into it"
    spacing = image.geometry.spacing_mm
    if spacing is not None and round(1000 * spacing[-2] / spacing[-1]) != 1000:
        # So that it is shown as high and wide as its source, without a spacing to measure by.
        made.PixelAspectRatio = [round(1000 * spacing[-2] / spacing[-1]), 1000]
    made.SourceImageSequence = [_reference(source, plane)]
    if text_of(source.header_of(plane), "LossyImageCompression") == "01":
        made.LossyImageCompression = "01"
    return _stamped(made, report, sources, number=number)


def _page(report: Report, sources: Sequence[SourceImage], *, number: int) -> Dataset:
    made = _capture(draw_sheet(report))
    made.Laterality = side_of(source.image for source in sources)
    made.ImageComments = f"SUMMARY of the answers, shows no image. {notice(report)}"
    made.DerivationDescription = "Table of the answers about the study"
    return _stamped(made, report, sources, number=number)


def _capture(pixels: npt.NDArray[np.uint8]) -> Dataset:
    made = Dataset()
    made.SOPClassUID = SecondaryCaptureImageStorage
    made.Modality = "OT"
    made.ConversionType = "WSD"
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.BurnedInAnnotation = "YES"
    made.PatientOrientation = None
    made.SamplesPerPixel = 3
    made.PhotometricInterpretation = "RGB"
    made.PlanarConfiguration = 0
    made.Rows, made.Columns = pixels.shape[:2]
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.PixelRepresentation = 0
    made.LossyImageCompression = "00"
    data = pixels.tobytes()
    made.add_new("PixelData", "OB", data + b"\0" * (len(data) % 2))
    return made


def _stamped(
    made: Dataset, report: Report, sources: Sequence[SourceImage], *, number: int
) -> Dataset:
    stamp(made, report, sources, form="sc", description="annotated copies", number=number)
    made.DateOfSecondaryCapture = made.ContentDate
    made.TimeOfSecondaryCapture = made.ContentTime
    return made


def _reference(source: SourceImage, plane: int) -> Dataset:
    """Return a reference to the image that a copy was drawn from.

    References:
        DICOM PS3.16, CID 7202 "Source Image Purposes of Reference".
    """
    item = reference_to(source, plane)
    purpose = Dataset()
    purpose.CodeValue = "121322"
    purpose.CodingSchemeDesignator = "DCM"
    purpose.CodeMeaning = "Source image for image processing operation"
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item
