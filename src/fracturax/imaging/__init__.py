"""Read images right: DICOM, NIfTI, PNG, JPEG and TIFF → Study, Radiograph and Volume.

Names are imported when they are first used, so that importing the package stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fracturax.imaging.discover import find_studies
    from fracturax.imaging.guard import DEFAULT_LIMITS, Limits
    from fracturax.imaging.study import StudyFile, StudyFiles, open_study, read_image

__all__ = [
    "DEFAULT_LIMITS",
    "Limits",
    "StudyFile",
    "StudyFiles",
    "find_studies",
    "open_study",
    "read_image",
]

_HOMES = {
    "DEFAULT_LIMITS": "guard",
    "Limits": "guard",
    "StudyFile": "study",
    "StudyFiles": "study",
    "find_studies": "discover",
    "open_study": "study",
    "read_image": "study",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
