"""A DICOM object → the bytes of its file."""

from __future__ import annotations

from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from fracturax.core.provenance import software_version
from fracturax.reporting.dicom.uids import derived_uid

IMPLEMENTATION_CLASS_UID = UID(derived_uid("fracturax", "implementation"))


def encoded(dataset: Dataset) -> bytes:
    """Return an object as a DICOM file (Part 10).

    Args:
        dataset: With its SOP class and instance; a transfer syntax in its `file_meta` is kept,
            explicit VR little endian is taken otherwise.

    References:
        DICOM PS3.10, 7.1 "DICOM File Meta Information".
    """
    former = getattr(dataset, "file_meta", None)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = getattr(former, "TransferSyntaxUID", ExplicitVRLittleEndian)
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = f"FRACTURAX{software_version()}"[:16]
    dataset.file_meta = meta
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
