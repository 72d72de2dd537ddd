"""A structured report read back: its content tree in words, and the regions of its measurements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fracturax.core.errors import DataError
from fracturax.reporting.readback.marks import Mark, Place, ReadBack

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_TRACKING_IDENTIFIER = "112039"  # DCM
_DEEPEST, _MOST_ITEMS, _MOST_LINES = 16, 20_000, 400
# Codes of Certainty of Finding and of qualifiers that say "not sure".
_DOUBTFUL = ("doubt", "uncertain", "possible", "undetermined", "indeterminate")


@dataclass(frozen=True, eq=False)
class _Node:
    """A content item with its depth and the container it lies in."""

    item: Any
    depth: int
    inside: int


def read_sr(dataset: Dataset) -> ReadBack:
    """Read a structured report: every content item as a line, every region as a mark.

    Raises:
        DataError: If the tree is deeper or larger than any of ours.

    References:
        DICOM PS3.3, C.17.3 "SR Document Content", C.18.6 "Spatial Coordinates Macro".
    """
    nodes = list(_walk(dataset))
    lines: list[str] = []
    marks: list[Mark] = []
    references: list[Place] = []
    said = _said_by_container(nodes)
    for node in nodes:
        item, kind = node.item, str(node.item.get("ValueType") or "")
        if (line := _line(item)) and len(lines) < _MOST_LINES:
            lines.append("  " * node.depth + line)
        if kind in ("IMAGE", "COMPOSITE"):
            references += list(_places(item))
        if kind == "SCOORD":
            for place in _selected(item):
                marks.append(_flat(item, place, said.get(node.inside, [])))
        if kind == "SCOORD3D":
            marks.append(_spatial(item, said.get(node.inside, [])))
    title = _meaning(dataset.get("ConceptNameCodeSequence"))
    return ReadBack("sr", title, tuple(lines), tuple(marks), tuple(dict.fromkeys(references)))


def _walk(dataset: Dataset) -> Iterator[_Node]:
    """Yield the items from the root on, without recursion."""
    waiting: list[tuple[Any, int, int]] = [(one, 0, 0) for one in _children(dataset)][::-1]
    count = 0
    while waiting:
        item, depth, inside = waiting.pop()
        count += 1
        if depth > _DEEPEST or count > _MOST_ITEMS:
            raise DataError(
                "the structured report is larger than any of ours",
                got=f"more than {_DEEPEST} levels or {_MOST_ITEMS} items",
                cure="give a report that FracturaX wrote",
            )
        yield _Node(item, depth, inside)
        own = count if item.get("ValueType") == "CONTAINER" else inside
        waiting += [(one, depth + 1, own) for one in _children(item)][::-1]


def _children(item: Any) -> list[Any]:
    return list(item.get("ContentSequence") or ())


def _said_by_container(nodes: list[_Node]) -> dict[int, list[str]]:
    """Return what each container says of its region: the labels of its measurement group."""
    said: dict[int, list[str]] = {}
    for node in nodes:
        kind = node.item.get("ValueType")
        names = node.item.get("ConceptNameCodeSequence") or ()
        is_name = any(str(one.get("CodeValue")) == _TRACKING_IDENTIFIER for one in names)
        if kind in ("CODE", "NUM") or is_name:
            said.setdefault(node.inside, []).append(_value(node.item))
    return said


def _line(item: Any) -> str:
    name, value = _meaning(item.get("ConceptNameCodeSequence")), _value(item)
    return f"{name}: {value}" if name and value else name or value


def _value(item: Any) -> str:
    kind = item.get("ValueType")
    if kind == "CODE":
        return _meaning(item.get("ConceptCodeSequence"))
    if kind == "NUM":
        for measured in item.get("MeasuredValueSequence") or ():
            unit = next(iter(measured.get("MeasurementUnitsCodeSequence") or ()), None)
            symbol = str(unit.get("CodeValue") or "") if unit is not None else ""
            return f"{measured.get('NumericValue')} {symbol}".strip()
        return "no value"
    if kind in ("TEXT", "UIDREF", "DATETIME", "DATE", "TIME"):
        names = {"TEXT": "TextValue", "UIDREF": "UID"}
        return str(item.get(names.get(kind, {"DATETIME": "DateTime"}.get(kind, "")), "") or "")
    if kind in ("SCOORD", "SCOORD3D"):
        count = len(item.get("GraphicData") or ())
        return f"{item.get('GraphicType')} of {count} numbers"
    return ""


def _meaning(sequence: Any) -> str:
    for item in sequence or ():
        return str(item.get("CodeMeaning") or item.get("CodeValue") or "")
    return ""


def _places(item: Any) -> Iterator[Place]:
    for reference in item.get("ReferencedSOPSequence") or ():
        uid = str(reference.get("ReferencedSOPInstanceUID") or "")
        frames = reference.get("ReferencedFrameNumber")
        numbers = [frames] if isinstance(frames, int) else list(frames or [None])
        for frame in numbers:
            yield Place(uid, None if frame is None else int(frame))


def _selected(item: Any) -> Iterator[Place | None]:
    places: list[Place | None] = [
        place
        for child in _children(item)
        if child.get("ValueType") == "IMAGE"
        for place in _places(child)
    ]
    yield from places or [None]


def _flat(item: Any, place: Place | None, said: list[str]) -> Mark:
    points = _points(item, 2)
    if item.get("GraphicType") == "CIRCLE" and len(points) == 2:
        points = _circle(points)
    return Mark(place, _label(said), _is_dashed(said), points=points)


def _spatial(item: Any, said: list[str]) -> Mark:
    return Mark(None, _label(said), _is_dashed(said), points_mm=_points(item, 3))


def _points(item: Any, size: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    data = item.get("GraphicData")
    numbers = np.array([float(one) for one in (data if data is not None else ())])
    if not numbers.size or numbers.size % size or not np.isfinite(numbers).all():
        raise DataError(
            "a region of the structured report has no whole points",
            got=f"{numbers.size} numbers",
            cure="give a report that FracturaX wrote",
        )
    return numbers.reshape(-1, size)


def _circle(points: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    center, rim = points
    turn = np.linspace(0, 2 * np.pi, 33)
    round_ = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.asarray(center + np.linalg.norm(rim - center) * round_)


def _label(said: list[str]) -> str:
    return ", ".join(dict.fromkeys(one for one in said if one))[:200]


def _is_dashed(said: list[str]) -> bool:
    return any(word in one.lower() for one in said for word in _DOUBTFUL)
