"""The report as a JSON document: every fact of it, for programs; the schema lies beside."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, TypedDict

from fracturax.core.errors import DataError
from fracturax.core.fusion import FusedReading
from fracturax.core.image import Image
from fracturax.core.prediction import Guarantee, ImagePrediction
from fracturax.core.report import RESEARCH_USE_NOTICE, Report
from fracturax.reporting.film import answered_images

SCHEMA_VERSION = "1.3"


class FindingDocument(TypedDict):
    """One finding; keys as in prediction.schema.json."""

    box: list[float]
    slices: list[int] | None
    extent_mm: list[list[float]] | None
    score: float
    probability: float
    certainty: str
    region: str | None


class ProjectionDocument(TypedDict):
    """A finding of another image, seen in this one."""

    source: str
    box: list[float]
    probability: float
    certainty: str


class StepDocument(TypedDict):
    """One step of an image's history."""

    name: str
    parameters: dict[str, str | float | int | bool]


class ImageDocument(TypedDict):
    """One image and its answer; keys as in prediction.schema.json."""

    name: str
    file_sha256: str | None
    status: str
    probability: float | None
    reason: str | None
    region: str | None
    region_probability: float | None
    hardware_probability: float | None
    slices: int | None
    rows: int
    columns: int
    spacing_mm: list[float] | None
    spacing_meaning: str
    modality: str
    body_part: str | None
    laterality: str | None
    view_position: str | None
    findings: list[FindingDocument]
    projections: list[ProjectionDocument]
    history: list[StepDocument]


class ModelDocument(TypedDict):
    """Which model answered."""

    name: str
    version: str
    bundle_sha256: str
    plan_sha256: str
    precision: str


class OperatingPointsDocument(TypedDict):
    """The two thresholds on the probability."""

    high_sensitivity: float
    high_specificity: float


class GuaranteeDocument(TypedDict):
    """What the answer is worth at least; keys as in prediction.schema.json."""

    ppv: float | None
    npv: float | None
    confidence: float
    cases: int
    source: str
    region: str | None
    words: str


class PlacementDocument(TypedDict):
    """How a film was laid over the CT; keys as in prediction.schema.json."""

    film: str
    is_used: bool
    likeness: float | None
    reason: str | None


class FeatureDocument(TypedDict):
    """What one number of radiomics added; keys as in prediction.schema.json."""

    stream: str
    feature: str
    value: float
    shapley: float


class FusionDocument(TypedDict):
    """How several kinds of image became one answer; keys as in prediction.schema.json."""

    places: int
    weights: dict[str, float]
    alone: dict[str, float]
    generated: list[str]
    films: list[PlacementDocument]
    features: list[FeatureDocument]
    remarks: list[str]


class UnreadableDocument(TypedDict):
    """A file that was left out, and why."""

    name: str
    reason: str


class ReportDocument(TypedDict):
    """The whole report; keys as in prediction.schema.json."""

    schema_version: str
    software: str
    created_at: str
    research_use_notice: str
    is_synthetic: bool
    study_key: str
    status: str
    probability: float | None
    reason: str | None
    decisive_image: str | None
    model: ModelDocument
    operating_points: OperatingPointsDocument
    guarantee: GuaranteeDocument | None
    fusion: FusionDocument | None
    images: list[ImageDocument]
    unreadable: list[UnreadableDocument]
    duration_s: float


def report_document(report: Report) -> ReportDocument:
    """Return the report as a document of plain values that obeys `schema()`.

    Probabilities keep their full precision. It holds no patient identifier: the study is named by
    its key, images by the names the user gave their files.

    Args:
        report: What to tell.

    Returns:
        Lists, strings, numbers, booleans and None, ready for `json.dumps`.

    Example:
        >>> from fracturax.core.prediction import ModelIdentity, OperatingPoints, Prediction
        >>> from fracturax.core.study import Study, UnreadableFile
        >>> report = Report(
        ...     study=Study("4f1a", (), (UnreadableFile("a.dcm", "the file is cut short"),)),
        ...     prediction=Prediction("4f1a", "not_assessed", ModelIdentity("xray", "1", "", ""),
        ...                           OperatingPoints(0.1, 0.5), reason="no image to read"),
        ...     created_at="2026-01-01T00:00:00+00:00", software="fracturax 0.1")
        >>> report_document(report)["reason"]
        'no image to read'
    """
    prediction = report.prediction
    model, points = prediction.model, prediction.operating_points
    return ReportDocument(
        schema_version=SCHEMA_VERSION,
        software=report.software,
        created_at=report.created_at,
        research_use_notice=RESEARCH_USE_NOTICE,
        is_synthetic=report.is_synthetic,
        study_key=report.study.key,
        status=prediction.status,
        probability=_number(prediction.probability),
        reason=prediction.reason,
        decisive_image=prediction.decisive_image,
        model=ModelDocument(
            name=model.name,
            version=model.version,
            bundle_sha256=model.bundle_sha256,
            plan_sha256=model.plan_sha256,
            precision=model.precision,
        ),
        operating_points=OperatingPointsDocument(
            high_sensitivity=float(points.high_sensitivity),
            high_specificity=float(points.high_specificity),
        ),
        guarantee=_guarantee_document(prediction.guarantee),
        fusion=_fusion_document(prediction.fusion),
        images=[_image_document(image, answer) for image, answer in answered_images(report)],
        unreadable=[
            UnreadableDocument(name=file.name, reason=file.reason)
            for file in report.study.unreadable
        ],
        duration_s=float(prediction.duration_s),
    )


def document_text(report: Report) -> str:
    """Return `report_document` as JSON text (UTF-8, indented, a newline at the end).

    Raises:
        DataError: If a number of the report is infinite or not a number, which JSON cannot say.
    """
    try:
        text = json.dumps(report_document(report), indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise DataError(
            "a number of the report is not finite",
            got=str(error),
            cure="look for NaN in the model's answer or in the history of an image",
        ) from error
    # A lone surrogate, as the names of odd files have, is no UTF-8.
    return text.encode("utf-8", "backslashreplace").decode() + "\n"


def document_bytes(report: Report) -> bytes:
    """Return `document_text` as the bytes of a file."""
    return document_text(report).encode("utf-8")


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) that every `report_document` obeys.

    Example:
        >>> schema()["properties"]["status"]["enum"]
        ['fracture', 'doubt', 'no_fracture', 'not_assessed']
    """
    text = files("fracturax.reporting").joinpath("prediction.schema.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def _image_document(image: Image, answer: ImagePrediction) -> ImageDocument:
    geometry, acquisition = image.geometry, image.acquisition
    shape = image.pixels.shape
    return ImageDocument(
        name=image.name,
        file_sha256=image.file_sha256 or None,
        status=answer.status,
        probability=_number(answer.probability),
        reason=answer.reason,
        region=answer.region,
        region_probability=_number(answer.region_probability),
        hardware_probability=_number(answer.hardware_probability),
        slices=int(shape[0]) if len(shape) == 3 else None,
        rows=int(shape[-2]),
        columns=int(shape[-1]),
        spacing_mm=None
        if geometry.spacing_mm is None
        else [float(mm) for mm in geometry.spacing_mm],
        spacing_meaning=geometry.spacing_meaning,
        modality=acquisition.modality,
        body_part=acquisition.body_part,
        laterality=acquisition.laterality,
        view_position=acquisition.view_position,
        findings=[
            FindingDocument(
                box=[float(side) for side in finding.box.as_tuple()],
                slices=None if finding.slices is None else [int(one) for one in finding.slices],
                extent_mm=None
                if finding.extent_mm is None
                else [[float(side) for side in corner] for corner in finding.extent_mm],
                score=float(finding.score),
                probability=float(finding.probability),
                certainty=finding.certainty,
                region=finding.region,
            )
            for finding in answer.findings
        ],
        projections=[
            ProjectionDocument(
                source=one.source,
                box=[float(side) for side in one.box.as_tuple()],
                probability=float(one.probability),
                certainty=one.certainty,
            )
            for one in answer.projections
        ],
        history=[
            StepDocument(name=step.name, parameters=dict(step.parameters)) for step in image.history
        ],
    )


def _guarantee_document(guarantee: Guarantee | None) -> GuaranteeDocument | None:
    if guarantee is None:
        return None
    return GuaranteeDocument(
        ppv=guarantee.ppv,
        npv=guarantee.npv,
        confidence=guarantee.confidence,
        cases=guarantee.cases,
        source=guarantee.source,
        region=guarantee.region,
        words=guarantee.as_words(),
    )


def _fusion_document(fusion: FusedReading | None) -> FusionDocument | None:
    if fusion is None:
        return None
    return FusionDocument(
        places=fusion.places,
        weights={one.stream: float(one.weight) for one in fusion.shares},
        alone={kind: float(probability) for kind, probability in fusion.alone},
        generated=list(fusion.generated),
        films=[
            PlacementDocument(
                film=one.film,
                is_used=one.is_used,
                likeness=_number(one.likeness),
                reason=one.reason or None,
            )
            for one in fusion.films
        ],
        features=[
            FeatureDocument(
                stream=one.stream,
                feature=one.feature,
                value=float(one.value),
                shapley=float(one.shapley),
            )
            for one in fusion.features
        ],
        remarks=list(fusion.remarks),
    )


def _number(value: float | None) -> float | None:
    """Return a plain float: NumPy's own scalars are no JSON."""
    return None if value is None else float(value)
