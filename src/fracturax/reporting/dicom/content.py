"""What the structured forms share: coded concepts, who observed, and by which algorithm."""

from __future__ import annotations

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    DeviceObserverIdentifyingAttributes,
    ObserverContext,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from fracturax.core.prediction import Prediction
from fracturax.core.report import Report
from fracturax.reporting.dicom.attributes import (
    MANUFACTURER,
    MODEL_NAME,
    patient_and_study,
    text_value,
)
from fracturax.reporting.dicom.codes import Code
from fracturax.reporting.dicom.source import REQUIRED, SourceImage
from fracturax.reporting.dicom.uids import derived_uid
from fracturax.reporting.wording import sentence


def concept(code: Code) -> CodedConcept:
    """Return a code as an item of a DICOM sequence."""
    return CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=code.meaning)


def observer(report: Report) -> ObserverContext:
    """Return who observed: this software, its serial number the hash of the model's bundle.

    References:
        DICOM PS3.16, TID 1004 "Device Observer Identifying Attributes".
    """
    model = report.prediction.model
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=derived_uid("fracturax", report.software, model.bundle_sha256, model.precision),
            name=MODEL_NAME,
            manufacturer_name=MANUFACTURER,
            model_name=text_value(f"{report.software}, model {model.name} {model.version}", "LO"),
            serial_number=text_value(model.bundle_sha256, "LO") or None,
        ),
    )


def algorithm(prediction: Prediction) -> AlgorithmIdentification:
    """Return which algorithm answered: enough to find the very same one again.

    References:
        DICOM PS3.16, TID 4019 "Algorithm Identification".
    """
    model = prediction.model
    return AlgorithmIdentification(
        name=text_value(f"{MODEL_NAME} {model.name}", "LO"),
        version=text_value(model.version, "LO") or "unknown",
        parameters=algorithm_parameters(prediction),
    )


def algorithm_parameters(prediction: Prediction) -> list[str]:
    """Return what else it takes to repeat an answer, one text each."""
    model, points = prediction.model, prediction.operating_points
    return [
        f"bundle sha256 {model.bundle_sha256}",
        f"plan sha256 {model.plan_sha256}",
        f"precision {model.precision}",
        f"high-sensitivity threshold {points.high_sensitivity:.6g}",
        f"high-specificity threshold {points.high_specificity:.6g}",
        *([] if prediction.guarantee is None else [prediction.guarantee.as_words()]),
    ]


def conclusion(prediction: Prediction) -> str:
    """Return the answer in words, in letters that every character set has."""
    return text_value(sentence(prediction).replace(" · ", ", "), "UT")


def evidence(sources: tuple[SourceImage, ...]) -> list[Dataset]:
    """Return every object the report is about, with nothing but what a reference needs."""
    shared = patient_and_study(sources)
    found: dict[str, Dataset] = {}
    for source in sources:
        for header in source.headers:
            item = Dataset()
            item.update(shared)
            for keyword in REQUIRED:
                setattr(item, keyword, str(header.get(keyword)))
            item.Rows, item.Columns = source.image.pixels.shape[-2:]
            found.setdefault(item.SOPInstanceUID, item)
    return list(found.values())
