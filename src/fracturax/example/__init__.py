"""The example studies: synthetic films, drawn by `examples/make_example_study.py`, of no patient.

`forearm/` holds two films with a planted fracture of the radius, `leg/` one film of an intact
ankle. `truth.json` beside the folders says where the fracture was planted.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["example_study_folder"]


def example_study_folder() -> Path:
    """Return the folder of the example studies; each sub-folder is one study of DICOM files.

    Every file says that it is synthetic: QualityControlImage is YES, the series is described as
    "SYNTHETIC phantom, not a patient", and the word stands in the film itself.

    Example:
        >>> sorted(path.name for path in example_study_folder().glob("*/*.dcm"))
        ['forearm_ap.dcm', 'forearm_lateral.dcm', 'leg_ap.dcm']
    """
    return Path(__file__).parent
