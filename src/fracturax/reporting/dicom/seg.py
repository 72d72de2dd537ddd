"""The findings as segmentation objects: each a binary segment, its mask or its box filled.

Written with pydicom: highdicom's writer takes neither a film of several frames nor a few
frames out of a multi-frame scan. Its reader reads the result, as the tests show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from highdicom.color import CIELabColor
from pydicom.dataset import Dataset
from pydicom.valuerep import DSfloat

from fracturax.core.errors import GeometryError
from fracturax.core.finding import Finding
from fracturax.core.prediction import Prediction
from fracturax.core.report import Report
from fracturax.imaging.attributes import groups_of, macro_of, numbers_of
from fracturax.reporting.dicom import codes
from fracturax.reporting.dicom.attributes import (
    MODEL_NAME,
    notice,
    patient_orientation,
    stamp,
    text_value,
)
from fracturax.reporting.dicom.codes import Code
from fracturax.reporting.dicom.geometry import pixel_range
from fracturax.reporting.dicom.source import SourceImage, planes_of, reference_to, refused, require
from fracturax.reporting.dicom.uids import derived_uid, finding_uid, object_uid, series_uid
from fracturax.reporting.wording import BOX_COLOR, percent

_SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
_OUTLINED = "pixels that the model marked"
_COUNT = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6}
_BOXED = "box of the finding, not its outline"


@dataclass(frozen=True, eq=False)
class _Segment:
    """A finding of one source object, numbered within its segmentation."""

    number: int
    overall: int
    source: SourceImage
    finding: Finding


def make_seg(report: Report, sources: Sequence[SourceImage]) -> list[Dataset]:
    """Return a segmentation for each film object and each scan with a finding; none without.

    Args:
        report: What to tell.
        sources: Its images with their DICOM objects.

    Raises:
        DataError: If a scan has a finding but no frame of reference.

    References:
        DICOM PS3.3, A.51 "Segmentation IOD", C.8.20 "Segmentation".
    """
    made: list[Dataset] = []
    for segments in _by_object(sources):
        if any(segment.source.is_volume for segment in segments):
            require([segment.source for segment in segments], ("FrameOfReferenceUID",), form="seg")
        number = len(made) + 1
        dataset = _segmentation(report, sources, segments, number)
        stamp(dataset, report, sources, form="seg", description="AI boxes", number=number)
        made.append(dataset)
    return made


def _by_object(sources: Sequence[SourceImage]) -> Iterator[list[_Segment]]:
    """Yield the segments of each source object; frames of one film share theirs."""
    groups: dict[str, list[_Segment]] = {}
    overall = 0
    for source in sources:
        for finding in sorted(source.answer.findings, key=lambda one: -one.probability):
            overall += 1
            if not planes_of(source, finding):
                continue
            group = groups.setdefault(str(source.header.SOPInstanceUID), [])
            group.append(_Segment(len(group) + 1, overall, source, finding))
    yield from groups.values()


def _segmentation(
    report: Report, sources: Sequence[SourceImage], segments: list[_Segment], number: int
) -> Dataset:
    source = segments[0].source
    rows, columns = source.image.pixels.shape[-2:]
    dataset = Dataset()
    dataset.SOPClassUID = _SEGMENTATION_STORAGE
    dataset.Modality = "SEG"
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.ContentLabel = "FRACTURE"
    dataset.ContentDescription = "Suspected fractures, found by software"
    dataset.ContentCreatorName = ""  # the algorithm of each segment is named, and no person
    dataset.DerivationDescription = text_value(notice(report), "ST")
    dataset.SegmentationType = "BINARY"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = int(rows), int(columns)
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = dataset.PixelRepresentation = 0
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"
    dataset.PresentationLUTShape = "IDENTITY"
    series = series_uid(report, sources, "sr")  # the findings are those of the report
    dataset.SegmentSequence = [_described(segment, report, series) for segment in segments]
    if source.is_volume and source.frame_of_reference is not None:
        dataset.FrameOfReferenceUID = source.frame_of_reference
        dataset.PositionReferenceIndicator = ""
    else:
        dataset.PatientOrientation = patient_orientation(source)
    frames = [
        (segment, plane)
        for segment in segments
        for plane in planes_of(segment.source, segment.finding)
    ]
    dataset.NumberOfFrames = len(frames)
    dataset.SharedFunctionalGroupsSequence = [_shared_groups(source)]
    _add_frames(dataset, frames, derived_uid(object_uid(report, sources, "seg", number=number)))
    masks = [_pixels(segment, plane, (rows, columns)) for segment, plane in frames]
    dataset.SegmentsOverlap = _overlap(frames, masks)
    dataset.PixelData = _packed(masks)
    dataset["PixelData"].VR = "OB"
    _add_references(dataset, frames)
    return dataset


def _described(segment: _Segment, report: Report, series: str) -> Dataset:
    """Return what a segment is.

    References:
        DICOM PS3.3, C.8.20.2 "Segmentation Image Module", C.8.20.4 "Segment Description Macro".
    """
    finding, source = segment.finding, segment.source
    item = Dataset()
    item.SegmentNumber = segment.number
    words = f"Finding {segment.overall}: {finding.certainty}, {percent(finding.probability)}"
    item.SegmentLabel = words
    how = _BOXED if finding.mask is None else _OUTLINED
    item.SegmentDescription = text_value(f"Suspected fracture; {how}. {notice(report)}", "ST")
    item.SegmentAlgorithmType = "AUTOMATIC"
    item.SegmentAlgorithmName = text_value(f"{MODEL_NAME} {report.prediction.model.name}", "LO")
    item.SegmentedPropertyCategoryCodeSequence = [_coded(codes.MORPHOLOGIC_ABNORMALITY)]
    item.SegmentedPropertyTypeCodeSequence = [_coded(codes.FRACTURE_MORPHOLOGY)]
    item.SegmentationAlgorithmIdentificationSequence = [_algorithm(report.prediction)]
    acquisition = source.image.acquisition
    site = codes.site_of(acquisition.body_part, finding.region or source.answer.region)
    if site is not None:
        region = _coded(site)
        if acquisition.laterality is not None:
            side = _coded(codes.LATERALITY[acquisition.laterality])
            region.AnatomicRegionModifierSequence = [side]
        item.AnatomicRegionSequence = [region]
    item.RecommendedDisplayCIELabValue = list(
        CIELabColor.from_string(BOX_COLOR[finding.certainty]).value
    )
    item.TrackingID = f"Finding {segment.overall}"
    item.TrackingUID = finding_uid(series, segment.overall)
    return item


def _shared_groups(source: SourceImage) -> Dataset:
    """Return what all frames share: of a scan its spacing and orientation, of a film nothing."""
    shared = Dataset()
    spacing = source.image.geometry.spacing_mm
    if not source.is_volume or spacing is None:
        return shared
    groups = groups_of(source.header, source.frames[0][1] - 1)
    measures = Dataset()
    measures.PixelSpacing = [_decimal(spacing[1]), _decimal(spacing[2])]
    thick = macro_of(groups, "PixelMeasuresSequence", "SliceThickness")
    thickness = numbers_of(thick, "SliceThickness") if thick is not None else ()
    measures.SliceThickness = _decimal(thickness[0] if thickness else spacing[0])
    measures.SpacingBetweenSlices = _decimal(spacing[0])
    shared.PixelMeasuresSequence = [measures]
    if source.frame_of_reference is not None:
        orientation = Dataset()
        orientation.ImageOrientationPatient = [
            _decimal(cosine)
            for cosine in _placed(source, 0, "PlaneOrientationSequence", "ImageOrientationPatient")
        ]
        shared.PlaneOrientationSequence = [orientation]
    return shared


def _add_frames(dataset: Dataset, frames: list[tuple[_Segment, int]], organization: str) -> None:
    """Describe each frame: its segment, its place, and the plane it was made from.

    References:
        DICOM PS3.3, C.7.6.17 "Multi-frame Dimension Module", C.8.20.3.
    """
    is_placed = "FrameOfReferenceUID" in dataset
    planes = sorted({plane for _, plane in frames})
    owner = Dataset()
    owner.DimensionOrganizationUID = organization
    dataset.DimensionOrganizationSequence = [owner]
    dimensions = [("ReferencedSegmentNumber", 0x0062000B, 0x0062000A)]
    if is_placed:
        dimensions.append(("ImagePositionPatient", 0x00200032, 0x00209113))
    dataset.DimensionIndexSequence = [
        _dimension(organization, *dimension) for dimension in dimensions
    ]
    described = []
    for segment, plane in frames:
        item = Dataset()
        content = Dataset()
        index = [segment.number, planes.index(plane) + 1]
        content.DimensionIndexValues = index if is_placed else index[0]
        item.FrameContentSequence = [content]
        identified = Dataset()
        identified.ReferencedSegmentNumber = segment.number
        item.SegmentIdentificationSequence = [identified]
        item.DerivationImageSequence = [_derivation(segment.source, plane)]
        if is_placed:
            position = Dataset()
            position.ImagePositionPatient = [
                _decimal(mm)
                for mm in _placed(
                    segment.source, plane, "PlanePositionSequence", "ImagePositionPatient"
                )
            ]
            item.PlanePositionSequence = [position]
        described.append(item)
    dataset.PerFrameFunctionalGroupsSequence = described


def _dimension(organization: str, label: str, pointer: int, group: int) -> Dataset:
    item = Dataset()
    item.DimensionOrganizationUID = organization
    item.DimensionIndexPointer = pointer
    item.FunctionalGroupPointer = group
    item.DimensionDescriptionLabel = label
    return item


def _derivation(source: SourceImage, plane: int) -> Dataset:
    image = reference_to(source, plane)
    image.PurposeOfReferenceCodeSequence = [_coded(codes.SOURCE_OF_PROCESSING)]
    image.SpatialLocationsPreserved = "YES"
    item = Dataset()
    item.SourceImageSequence = [image]
    item.DerivationCodeSequence = [_coded(codes.SEGMENTATION)]
    return item


def _pixels(segment: _Segment, plane: int, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the pixels of a finding in one plane: its mask, or its box filled."""
    mask, finding = segment.finding.mask, segment.finding
    pixels = np.zeros(shape, bool)
    if mask is None:
        pixels[pixel_range(finding.box, rows=shape[0], columns=shape[1])] = True
        return pixels
    values = mask.values
    if values.ndim == 3:
        inside = plane - mask.offset[0]
        if not 0 <= inside < len(values):
            return pixels
        values = values[inside]
    row, column = mask.offset[-2:]
    rows, columns = values.shape
    if row + rows > shape[0] or column + columns > shape[1]:
        raise GeometryError(
            "the mask of a finding reaches out of its image",
            got=f"rows to {row + rows}, columns to {column + columns} of {shape[0]} x {shape[1]}",
        )
    pixels[row : row + rows, column : column + columns] = values
    return pixels


def _packed(masks: list[npt.NDArray[np.bool_]]) -> bytes:
    """Return frames as bits, the first in the lowest, without gaps between frames.

    References:
        DICOM PS3.5, 8.1.1 and Annex D.
    """
    if masks[0].size % 8 == 0:
        data = b"".join(np.packbits(mask, bitorder="little").tobytes() for mask in masks)
    else:
        data = np.packbits(np.stack(masks), bitorder="little").tobytes()
    return data + b"\0" * (len(data) % 2)


def _overlap(frames: list[tuple[_Segment, int]], masks: list[npt.NDArray[np.bool_]]) -> str:
    """Say whether two segments share a pixel."""
    seen: dict[tuple[int, int], npt.NDArray[np.bool_]] = {}
    for (segment, plane), mask in zip(frames, masks, strict=True):
        place = id(segment.source), plane
        if place in seen and bool((seen[place] & mask).any()):
            return "YES"
        seen[place] = mask | seen[place] if place in seen else mask
    return "NO"


def _add_references(dataset: Dataset, frames: list[tuple[_Segment, int]]) -> None:
    """List the objects the frames were made from, by series (Common Instance Reference Module)."""
    listed: dict[str, dict[str, Dataset]] = {}
    for segment, plane in frames:
        header = segment.source.header_of(plane)
        instance = Dataset()
        instance.ReferencedSOPClassUID = str(header.SOPClassUID)
        instance.ReferencedSOPInstanceUID = str(header.SOPInstanceUID)
        series = listed.setdefault(str(header.SeriesInstanceUID), {})
        series.setdefault(instance.ReferencedSOPInstanceUID, instance)
    dataset.ReferencedSeriesSequence = []
    for uid, instances in listed.items():
        item = Dataset()
        item.SeriesInstanceUID = uid
        item.ReferencedInstanceSequence = list(instances.values())
        dataset.ReferencedSeriesSequence.append(item)


def _placed(source: SourceImage, plane: int, sequence: str, keyword: str) -> tuple[float, ...]:
    """Return position or orientation of a plane as its own file says it, to the last digit."""
    groups = groups_of(source.header_of(plane), source.frames[plane][1] - 1)
    holder = macro_of(groups, sequence, keyword)
    numbers = () if holder is None else numbers_of(holder, keyword)
    if len(numbers) != _COUNT[keyword] or not np.isfinite(numbers).all():
        raise refused(
            "a slice lacks attributes that SEG needs", got=f"no valid {keyword}", form="seg"
        )
    return numbers


def _algorithm(prediction: Prediction) -> Dataset:
    """Return the algorithm as an item (PS3.3, 10.16 "Algorithm Identification Macro")."""
    item = Dataset()
    item.AlgorithmFamilyCodeSequence = [_coded(codes.ARTIFICIAL_INTELLIGENCE)]
    item.AlgorithmName = text_value(f"{MODEL_NAME} {prediction.model.name}", "LO")
    item.AlgorithmVersion = text_value(prediction.model.version, "LO") or "unknown"
    item.AlgorithmParameters = text_value(f"bundle sha256 {prediction.model.bundle_sha256}", "LT")
    return item


def _coded(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item


def _decimal(number: float) -> DSfloat:
    return DSfloat(float(number), auto_format=True)
