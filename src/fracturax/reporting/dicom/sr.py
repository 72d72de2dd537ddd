"""The report as a Comprehensive 3D structured report: what was found, where, how surely, by whom.

Template TID 1500: an image library, a measurement group for each finding with its region, and the
answers about the study and each image as qualitative evaluations, each with its probability. What
was not assessed says so and why.

An answer about a whole image is no measurement group: it has no region, and OHIF (3.13) shows
nothing of a report in which one group lacks it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from highdicom.sr import (
    CodeContentItem,
    Comprehensive3DSR,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    FindingSite,
    ImageContentItem,
    ImageRegion,
    ImageRegion3D,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    NumContentItem,
    ObservationContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForRegion,
    SourceImageForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumeSurface,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from fracturax.core.finding import Finding
from fracturax.core.prediction import Status
from fracturax.core.report import Report
from fracturax.reporting.dicom import codes as ours
from fracturax.reporting.dicom.attributes import notice, stamp, text_value
from fracturax.reporting.dicom.content import algorithm, concept, conclusion, evidence, observer
from fracturax.reporting.dicom.geometry import corners, patient_points
from fracturax.reporting.dicom.source import SourceImage, planes_of
from fracturax.reporting.dicom.uids import derived_uid, finding_uid, series_uid

_CONTAINS = RelationshipTypeValues.CONTAINS
_CONTEXT = RelationshipTypeValues.HAS_ACQ_CONTEXT
_PROPERTIES = RelationshipTypeValues.HAS_PROPERTIES
_INFERRED_FROM = RelationshipTypeValues.INFERRED_FROM
_Group = (
    PlanarROIMeasurementsAndQualitativeEvaluations
    | VolumetricROIMeasurementsAndQualitativeEvaluations
    | MeasurementsAndQualitativeEvaluations
)


def make_sr(report: Report, sources: Sequence[SourceImage]) -> list[Dataset]:
    """Return the report as one structured report object.

    Args:
        report: What to tell.
        sources: Its images with their DICOM objects.

    References:
        DICOM PS3.3, A.35.13 "Comprehensive 3D SR IOD"; PS3.16, TID 1500 "Measurement Report".
    """
    sources = tuple(sources)
    series = series_uid(report, sources, "sr")
    modality = sources[0].image.acquisition.modality
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=observer(report)),
        procedure_reported=concept(ours.procedure_of(modality)),
        imaging_measurements=list(_groups(report, sources, series)) or [_no_group(series)],
    )
    root = content[0].ContentSequence
    # Stands last; highdicom asks for it, the template does not.
    measured = root.pop()
    root.append(_library(sources))
    if any(source.answer.findings for source in sources):
        root.append(measured)
    root.append(_evaluations(report, sources))
    document = Comprehensive3DSR(
        evidence=evidence(sources),
        content=content[0],
        series_instance_uid=series,
        series_number=1,
        sop_instance_uid=derived_uid(series, "1"),
        instance_number=1,
        is_complete=True,
        is_final=False,
    )
    return [stamp(document, report, sources, form="sr", description="AI structured report")]


def _groups(report: Report, sources: Sequence[SourceImage], series: str) -> Iterator[_Group]:
    """Yield a measurement group for each finding."""
    number = 0
    for source in sources:
        ordered = sorted(source.answer.findings, key=lambda one: -one.probability)
        for finding in ordered:
            number += 1
            yield _finding_group(report, source, finding, series, number)


def _no_group(series: str) -> MeasurementsAndQualitativeEvaluations:
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(finding_uid(series, 0), "none"),
        finding_type=concept(ours.FRACTURE),
    )


def _finding_group(
    report: Report, source: SourceImage, finding: Finding, series: str, number: int
) -> _Group:
    certainty = concept(ours.CERTAINTY[finding.certainty])
    said: dict[str, Any] = {
        "tracking_identifier": TrackingIdentifier(finding_uid(series, number), f"Finding {number}"),
        "finding_type": concept(ours.FRACTURE),
        "algorithm_id": algorithm(report.prediction),
        "finding_sites": _sites(source, finding),
        "measurements": [_probability(finding.probability)],
        "qualitative_evaluations": [
            QualitativeEvaluation(concept(ours.CERTAINTY_OF_FINDING), certainty)
        ],
    }
    planes = planes_of(source, finding)
    if not planes:
        group = MeasurementsAndQualitativeEvaluations(**said)
        _say(group, "The model does not say in which slices of the scan this lies.")
        return group
    rows, columns = source.image.pixels.shape[-2:]
    outline = corners(finding.box, rows=rows, columns=columns)
    frame_of_reference = source.frame_of_reference
    if frame_of_reference is None:
        regions = [
            ImageRegion(
                graphic_type="POLYLINE",
                graphic_data=outline,
                source_image=SourceImageForRegion(*_reference(source, plane)),
            )
            for plane in planes
        ]
        if len(regions) == 1:
            return PlanarROIMeasurementsAndQualitativeEvaluations(
                **said, referenced_region=regions[0]
            )
        return VolumetricROIMeasurementsAndQualitativeEvaluations(
            **said, referenced_regions=regions
        )
    outlines = [patient_points(source.image.geometry, outline, plane=plane) for plane in planes]
    if len(outlines) == 1:
        region = ImageRegion3D("POLYGON", outlines[0], frame_of_reference)
        return PlanarROIMeasurementsAndQualitativeEvaluations(**said, referenced_region=region)
    surface = VolumeSurface(
        graphic_type="POLYGON",
        graphic_data=outlines,
        frame_of_reference_uid=frame_of_reference,
        source_images=[SourceImageForSegmentation(*_reference(source, plane)) for plane in planes],
    )
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        **said, referenced_volume_surface=surface
    )


def _say(group: _Group, words: str) -> None:
    item = TextContentItem(concept(ours.COMMENT), text_value(words, "UT"), _CONTAINS)
    group[0].ContentSequence.append(item)


def _probability(value: float) -> Measurement:
    return Measurement(concept(ours.PROBABILITY), float(value), concept(ours.NO_UNITS))


def _sites(source: SourceImage, finding: Finding | None) -> list[FindingSite] | None:
    """Return where in the body, as the file says, else as the model saw it."""
    acquisition = source.image.acquisition
    region = source.answer.region if finding is None else finding.region or source.answer.region
    site = ours.site_of(acquisition.body_part, region)
    if site is None:
        return None
    side = None if acquisition.laterality is None else ours.LATERALITY[acquisition.laterality]
    return [FindingSite(concept(site), laterality=None if side is None else concept(side))]


def _reference(source: SourceImage, plane: int) -> tuple[str, str, list[int] | None]:
    header, frame = source.header_of(plane), source.frame_of(plane)
    uids = str(header.SOPClassUID), str(header.SOPInstanceUID)
    return (*uids, None if frame is None else [frame])


def _library(sources: Sequence[SourceImage]) -> ContainerContentItem:
    """Return the list of the images, of a scan its first and last slice and those with findings.

    highdicom's own asks for attributes that many films lack; here what is missing is left out.

    References:
        DICOM PS3.16, TID 1600 "Image Library".
    """
    library = ContainerContentItem(concept(ours.IMAGE_LIBRARY), relationship_type=_CONTAINS)
    group = ContainerContentItem(concept(ours.IMAGE_LIBRARY_GROUP), relationship_type=_CONTAINS)
    group.ContentSequence = ContentSequence()
    seen: set[str] = set()
    for source in sources:
        planes = {0, len(source.frames) - 1}
        for finding in source.answer.findings:
            planes.update(planes_of(source, finding))
        for plane in sorted(planes):
            header = source.header_of(plane)
            if str(header.SOPInstanceUID) in seen:
                continue
            seen.add(str(header.SOPInstanceUID))
            entry = ImageContentItem(
                concept(ours.SOURCE),
                str(header.SOPClassUID),
                str(header.SOPInstanceUID),
                relationship_type=_CONTAINS,
            )
            entry.ContentSequence = ContentSequence(list(_descriptors(source)))
            group.ContentSequence.append(entry)
    library.ContentSequence = ContentSequence([group])
    return library


def _descriptors(source: SourceImage) -> Iterator[ContentItem]:
    """Yield what the file says about an image."""
    acquisition, geometry = source.image.acquisition, source.image.geometry
    modality = ours.MODALITY.get(acquisition.modality)
    if modality is not None:
        yield CodeContentItem(codes.DCM.Modality, concept(modality), _CONTEXT)
    rows, columns = source.image.pixels.shape[-2:]
    for name, count in ((codes.DCM.PixelDataRows, rows), (codes.DCM.PixelDataColumns, columns)):
        yield NumContentItem(name, int(count), concept(ours.PIXELS), relationship_type=_CONTEXT)
    if geometry.spacing_mm is not None:
        down, across = geometry.spacing_mm[-2:]
        for name, spacing in (
            (codes.DCM.HorizontalPixelSpacing, across),
            (codes.DCM.VerticalPixelSpacing, down),
        ):
            yield NumContentItem(
                name, float(spacing), codes.UCUM.Millimeter, relationship_type=_CONTEXT
            )
    side = acquisition.laterality
    if side is not None:
        value = concept(ours.LATERALITY[side])
        yield CodeContentItem(codes.DCM.ImageLaterality, value, _CONTEXT)


def _evaluations(report: Report, sources: Sequence[SourceImage]) -> ContainerContentItem:
    """Return the answers about the study and each image, in codes and in words."""
    prediction = report.prediction
    whole = _answer(prediction.status, prediction.probability)
    whole.ContentSequence.extend(algorithm(prediction))
    items: list[ContentItem] = [
        whole,
        TextContentItem(concept(ours.CONCLUSION), conclusion(prediction), _CONTAINS),
        TextContentItem(concept(ours.COMMENT), notice(report), _CONTAINS),
        *(_image_answer(source) for source in sources),
    ]
    for file in report.study.unreadable:
        words = text_value(f"Not read: {file.name} ({file.reason})", "UT")
        items.append(TextContentItem(concept(ours.COMMENT), words, _CONTAINS))
    container = ContainerContentItem(
        concept(ours.QUALITATIVE_EVALUATIONS), relationship_type=_CONTAINS
    )
    container.ContentSequence = ContentSequence(items)
    return container


def _image_answer(source: SourceImage) -> CodeContentItem:
    """Return the answer about one image, inferred from it."""
    answer = source.answer
    item = _answer(answer.status, answer.probability)
    item.ContentSequence.extend(_sites(source, None) or ())
    if answer.reason is not None:
        words = text_value(f"Not assessed, because {answer.reason}", "UT")
        item.ContentSequence.append(TextContentItem(concept(ours.COMMENT), words, _PROPERTIES))
    for plane in (0,) if source.is_volume else range(len(source.frames)):
        uids_and_frames = _reference(source, plane)
        item.ContentSequence.append(
            ImageContentItem(
                concept(ours.SOURCE), *uids_and_frames, relationship_type=_INFERRED_FROM
            )
        )
    return item


def _answer(status: Status, probability: float | None) -> CodeContentItem:
    """Return whether there is a fracture, with its probability."""
    item = CodeContentItem(concept(ours.PRESENCE), concept(ours.STATUS[status]), _CONTAINS)
    item.ContentSequence = ContentSequence()
    if probability is not None:
        unit, name = concept(ours.NO_UNITS), concept(ours.PROBABILITY)
        number = NumContentItem(name, float(probability), unit, relationship_type=_PROPERTIES)
        item.ContentSequence.append(number)
    return item
