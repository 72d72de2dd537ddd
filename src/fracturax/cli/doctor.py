"""`fracturax doctor`: whether this install works, and what is missing for what."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from typing import Any

import typer
from packaging.requirements import Requirement

from fracturax.cli.console import JsonOption, print_json, words
from fracturax.core.errors import FracturaXError
from fracturax.core.provenance import software_version
from fracturax.models.fastest import RUNTIMES

_LIBRARIES = ("numpy", "opencv-python-headless", "pydicom", "onnxruntime", "nibabel")
_CODECS = {
    "JPEG 2000": "openjpeg",
    "JPEG-LS": "jpeg_ls",
    "RLE": "rle",
    "JPEG lossless": "gdcm",
    "JPEG": "PIL",
}
_PUBLIC_EXTRAS = ("train", "imaging", "radiomics", "dicom", "node", "openvino")


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("doctor")(doctor)


def doctor(as_json: JsonOption = False) -> None:
    """Check this install: libraries, codecs, models, optional parts."""
    checks: dict[str, Any] = {
        "fracturax": software_version(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "codecs": {name: find_spec(module) is not None for name, module in _CODECS.items()},
        "runtimes": {name: _version(name) for name in RUNTIMES},
        "models": _models(),
        "extras": {name: not _missing(name) for name in _PUBLIC_EXTRAS},
    }
    is_healthy = (
        all(checks["libraries"].values())
        and all(checks["codecs"].values())
        and bool(checks["models"])
        and all(state == "verified" for state in checks["models"].values())
    )
    if as_json:
        print_json({**checks, "is_healthy": is_healthy})
    else:
        _print(checks, is_healthy)
    if not is_healthy:
        sys.exit(1)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _missing(extra: str) -> list[str]:
    """Return the distributions of an extra that are not installed."""
    missing = []
    for line in requires("fracturax") or []:
        wanted = Requirement(line)
        if wanted.marker is None or not wanted.marker.evaluate({"extra": extra}):
            continue
        if wanted.marker.evaluate({"extra": ""}):
            continue
        if wanted.name == "fracturax":
            missing += [name for part in wanted.extras for name in _missing(part)]
        elif _version(wanted.name) is None:
            missing.append(wanted.name)
    return missing


def _models() -> dict[str, str]:
    from fracturax.models.any_bundle import open_any
    from fracturax.models.store import packaged_bundles

    states = {}
    for name, folder in packaged_bundles().items():
        try:
            open_any(folder)
            states[name] = "verified"
        except FracturaXError as error:
            states[name] = str(error)
    return states


def _print(checks: dict[str, Any], is_healthy: bool) -> None:
    for name, state in checks.items():
        if not isinstance(state, dict):
            words.print(f"{name:10} {state}")
            continue
        for part, value in state.items():
            shown = {True: "yes", False: "no", None: "missing"}.get(value, value)
            words.print(f"{name:10} {part}: {shown}", markup=False)
    missing = [name for name, is_there in checks["extras"].items() if not is_there]
    for name in missing:
        words.print(f'for {name}: pip install "fracturax[{name}]"', markup=False)
    words.print("all is well" if is_healthy else "something is missing; see above", style="bold")
