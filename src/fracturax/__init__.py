"""FracturaX finds bone fractures in radiographs. Research use only.

>>> import fracturax as fx
>>> study = fx.open(fx.example_study_folder() / "forearm")
>>> prediction = fx.read(study, fx.load("xray"))
>>> prediction.status in ("fracture", "doubt", "no_fracture", "not_assessed")
True

The names below are imported when they are first used: importing fracturax imports nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fracturax.api import audit, evaluate, load, open, train
    from fracturax.core.errors import FracturaXError
    from fracturax.core.study import Study
    from fracturax.datasets import open_dataset
    from fracturax.example import example_study_folder
    from fracturax.pipelines.read import read, report
    from fracturax.reporting import write_report as write

_HOMES = {
    "FracturaXError": "fracturax.core.errors",
    "Study": "fracturax.core.study",
    "audit": "fracturax.api",
    "evaluate": "fracturax.api",
    "example_study_folder": "fracturax.example",
    "load": "fracturax.api",
    "open": "fracturax.api",
    "open_dataset": "fracturax.datasets",
    "read": "fracturax.pipelines.read",
    "report": "fracturax.pipelines.read",
    "train": "fracturax.api",
    "write": "fracturax.reporting:write_report",
}

__all__ = [
    "FracturaXError",
    "Study",
    "audit",
    "evaluate",
    "example_study_folder",
    "load",
    "open",
    "open_dataset",
    "read",
    "report",
    "train",
    "write",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from fracturax.core.provenance import software_version

        return software_version()
    if name not in _HOMES:
        raise AttributeError(f"module 'fracturax' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute or name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
