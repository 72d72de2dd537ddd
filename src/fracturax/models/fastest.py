"""The runtime of a graph: what is installed is timed once on a machine, and the fastest is kept."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from fracturax.core.errors import FracturaXError, UnknownNameError
from fracturax.models import openvino_session
from fracturax.models.openvino_session import OpenVinoSession
from fracturax.models.session import Arrays, OnnxRuntimeSession, Session

RUNTIME_VARIABLE = "FRACTURAX_RUNTIME"
"""Environment variable that names the runtime to use, untimed."""
RUNTIMES: dict[str, Callable[[bytes, int], Session]] = {
    "onnxruntime": OnnxRuntimeSession,
    "openvino": OpenVinoSession,
}
"""All runtimes; the first is always installed, and the one the others are compared with."""
REDUCED: dict[str, Callable[[bytes, int], Session]] = {
    "openvino-bf16": partial(OpenVinoSession, precision="bf16"),
}
"""Runtimes that do not answer as the first: for graphs of which it was shown that they may be."""
CLOSE = 2e-3
"""Difference of an output from the first runtime's, at most: a share of its largest value, or of 1
where that is more."""
_FIRST = next(iter(RUNTIMES))
_RUNS = 3
_WORTH = 0.8
"""A reduced precision is taken where it needs at most this share of the time."""
_LARGEST_KEPT = 1 << 20


def open_fastest(
    graph: bytes,
    threads: int,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    reduced: bool = False,
) -> Session:
    """Return a session of the runtime that runs a graph fastest on this machine.

    Where only ONNX Runtime is installed that is it. Else each runtime runs the graph a few times on
    noise, once; what was found is kept in `~/.fracturax/runtimes.json` for this graph, processor
    and versions. A runtime that answers otherwise than ONNX Runtime is chosen only if asked for.

    Args:
        graph: The bytes of an ONNX file.
        threads: Threads of one inference; 0 lets the runtime choose.
        shapes: Of the inputs, by name, as they usually come.
        reduced: Whether a reduced precision may be chosen, if it is much faster.

    Raises:
        ModelError: If no runtime takes the graph.
        UnknownNameError: If the environment names a runtime that there is not.
        MissingExtraError: If it names one that is not installed.
    """
    named = os.environ.get(RUNTIME_VARIABLE)
    if named:
        every = RUNTIMES | REDUCED
        if named not in every:
            raise UnknownNameError("runtime", named, every)
        return every[named](graph, threads)
    if not openvino_session.is_installed():
        return RUNTIMES[_FIRST](graph, threads)
    choice = RUNTIMES | (REDUCED if reduced else {})
    key = _key(graph, threads, tuple(choice))
    kept = _kept().get(key)
    if kept in choice:
        return choice[kept](graph, threads)
    rng = np.random.default_rng(0)
    noise = {name: rng.random(shape, np.float32) for name, shape in shapes.items()}
    chosen, session = _timed(graph, threads, noise, choice)
    if chosen is not None:
        _keep(key, chosen)
    return session


def _timed(
    graph: bytes,
    threads: int,
    example: Arrays,
    choice: Mapping[str, Callable[[bytes, int], Session]],
) -> tuple[str | None, Session]:
    """Return the name and the session of the fastest runtime of a choice.

    It answers as the first one, unless it is of a reduced precision.

    No name, and the first runtime, where the graph does not take the example.
    """
    first = RUNTIMES[_FIRST](graph, threads)
    outputs = first.output_names
    try:
        expected = first.run(outputs, example)
    except Exception:  # the graph takes other inputs: who opened it says so better
        return None, first
    best, chosen, session = _seconds(first, outputs, example), _FIRST, first
    for name, opened in choice.items():
        if name == _FIRST:
            continue
        try:
            other = opened(graph, threads)
            said = other.run(outputs, example)
        except (FracturaXError, RuntimeError, ValueError):  # what it cannot run, the first can
            continue
        alike = all(_close(one, wanted) for one, wanted in zip(said, expected, strict=True))
        if not alike and name not in REDUCED:
            continue
        seconds = _seconds(other, outputs, example)
        if name in REDUCED:
            seconds /= _WORTH
        if seconds < best:
            best, chosen, session = seconds, name, other
    return chosen, session


def _seconds(session: Session, outputs: Sequence[str], example: Arrays) -> float:
    """Return the shortest of a few runs: other work on the machine only makes one longer."""
    found = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        session.run(outputs, example)
        found.append(time.perf_counter() - start)
    return min(found)


def _close(said: np.ndarray, wanted: np.ndarray) -> bool:
    largest = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    return bool(np.abs(said - wanted).max(initial=0.0) <= CLOSE * largest)


def _key(graph: bytes, threads: int, choice: Sequence[str]) -> str:
    versions = ",".join(f"{name} {_version(name)}" for name in RUNTIMES)
    said = f"{hashlib.sha256(graph).hexdigest()} {threads} {versions} {_processor()} {choice}"
    return hashlib.sha256(said.encode()).hexdigest()


def _version(name: str) -> str:
    """Return a runtime's version; a build of another name than its module has none here."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def _processor() -> str:
    """Return what processor this is, as far as can be told; a home folder may be shared."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line for line in lines if line.startswith(("model name", "flags", "Features"))]
    return f"{platform.machine()} {platform.processor()} {os.cpu_count()} {named[:2]}"


def _file() -> Path:
    return Path.home() / ".fracturax" / "runtimes.json"


def _kept() -> dict[str, str]:
    """Return what was found before; nothing where the file is missing or damaged."""
    try:
        with _file().open("rb") as stream:
            found = json.loads(stream.read(_LARGEST_KEPT))
    except (OSError, ValueError, RuntimeError):  # RuntimeError: nobody's home, in a container
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(key): str(name) for key, name in found.items()}


def _keep(key: str, runtime: str) -> None:
    """Keep a choice; where nothing can be written it is made again the next time."""
    try:
        path = _file()
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**_kept(), key: runtime}, indent=1, sort_keys=True)
        beside.write_text(text + "\n", encoding="utf-8")
        beside.replace(path)
    except (OSError, RuntimeError):
        return
