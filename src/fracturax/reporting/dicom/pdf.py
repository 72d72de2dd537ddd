"""Encapsulated PDF: the report's page as a document of the study."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from fracturax.core.report import Report
from fracturax.reporting.dicom.attributes import notice, stamp, text_value
from fracturax.reporting.dicom.source import SourceImage
from fracturax.reporting.pdf_page import report_pdf


def make_pdf(report: Report, sources: Sequence[SourceImage]) -> list[Dataset]:
    """Return the report's PDF as a document of the study it was made from.

    Args:
        report: What was answered.
        sources: The stored objects of its images, in their order.

    Returns:
        One object.

    References:
        DICOM PS3.3, A.45.1 "Encapsulated PDF IOD", C.24.2 "Encapsulated Document Module".
    """
    made = Dataset()
    made.SOPClassUID = EncapsulatedPDFStorage
    made.Modality = "DOC"
    made.ConversionType = "WSD"
    made.BurnedInAnnotation = "YES"  # names of files, as the user gave them, may tell the patient
    made.AcquisitionDateTime = None
    made.DocumentTitle = text_value(f"FracturaX report. {notice(report)}", "ST")
    made.ConceptNameCodeSequence = []
    made.VerificationFlag = "UNVERIFIED"
    data = report_pdf(report)
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(data)
    made.EncapsulatedDocument = data + b"\0" * (len(data) % 2)
    return [stamp(made, report, sources, form="pdf", description="report")]
