"""The class names of a YOLO data set: two keys of `data.yaml`, read without a YAML library.

What is read is the part of YAML in which such files are written: `names` as a list or a mapping
of numbers, in one line or in several, plain or quoted. Anything else is an error, never a guess.
"""

from __future__ import annotations

import re
from pathlib import Path

from fracturax.core.errors import DataError
from fracturax.datasets.files import read_text
from fracturax.imaging.source import clean_name

_LARGEST_BYTES = 1 << 20
_KEY = re.compile(r"(names|nc)\s*:(?:\s+(.*))?$")
_ITEM = re.compile(r"-\s+(.*)$")
_PAIR = re.compile(r"(\d+)\s*:\s+(.*)$")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_QUOTED = re.compile(r"'((?:[^']|'')*)'|\"([^\"\\]*)\"")
_NOT_PLAIN = re.compile(r"^[&*!|>%@`\[{\"']|: |[\[\]{}]")


def read_class_names(path: Path) -> tuple[str, ...]:
    """Return the class names of a YOLO data set, in the order of their numbers.

    Args:
        path: `data.yaml`, or a text file with one name a line (`classes.txt`).

    Raises:
        DataError: If there are none, or they are not written plainly.
    """
    text = read_text(path, largest=_LARGEST_BYTES)
    if path.suffix.lower() == ".txt":
        names = [line.strip() for line in text.splitlines() if line.strip()]
    else:
        try:
            names = _names(text)
        except ValueError as error:
            raise DataError(
                f"the class names of {clean_name(path.name)} cannot be read",
                got=str(error),
                cure='write them in one line: names: ["fracture"]',
            ) from None
    if not names:
        raise DataError(f"{clean_name(path.name)} holds no class name")
    return tuple(names)


def _names(text: str) -> list[str]:
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for raw in text.splitlines():
        line = _without_comment(raw)
        if not line.strip() or line.startswith(("---", "...", "%")):
            continue
        if line[0].isspace() or line.startswith(("-", "]", "}")):
            current.append(line.strip())
            continue
        current = []
        match = _KEY.match(line)
        if match:
            if match[1] in found:
                raise ValueError(f"the key {match[1]} twice")
            current = [match[2].strip()] if match[2] else []
            found[match[1]] = current
    if "names" not in found:
        raise ValueError("no key names")
    names = _sequence(found["names"])
    count = " ".join(found.get("nc", []))
    if count and count != str(len(names)):
        raise ValueError(f"{len(names)} names, and another number in nc")
    return names


def _without_comment(line: str) -> str:
    # A mark of a comment inside quotes is none.
    masked = _QUOTED.sub(lambda match: "q" * len(match[0]), line)
    found = _COMMENT.search(masked)
    return line[: found.start()].rstrip() if found else line.rstrip()


def _sequence(lines: list[str]) -> list[str]:
    if not lines:
        raise ValueError("no value for names")
    if lines[0].startswith(("[", "{")):
        return _flow(" ".join(lines))
    items = [_ITEM.match(line) for line in lines]
    if all(items):
        return [_scalar(item[1]) for item in items if item]
    return _numbered([_PAIR.match(line) for line in lines])


def _flow(text: str) -> list[str]:
    """Read `[a, 'b']` or `{0: a, 1: "b"}`."""
    end = {"[": "]", "{": "}"}[text[0]]
    if not text.endswith(end):
        raise ValueError("a list that is not closed")
    parts: list[str] = []
    rest = text[1:-1].strip()
    while rest:
        match = re.match(r"((?:\d+\s*:\s+)?(?:'(?:[^']|'')*'|\"[^\"\\]*\"|[^,'\"]+))\s*(,|$)", rest)
        if not match:
            raise ValueError("a list with something that is no plain name")
        parts.append(match[1].strip())
        rest = rest[match.end() :].strip()
    if end == "]":
        return [_scalar(part) for part in parts]
    return _numbered([_PAIR.match(part) for part in parts])


def _numbered(pairs: list[re.Match[str] | None]) -> list[str]:
    names = {int(pair[1]): _scalar(pair[2]) for pair in pairs if pair}
    if len(names) != len(pairs) or sorted(names) != list(range(len(pairs))):
        raise ValueError("names that are not numbered 0, 1, 2, ...")
    return [names[number] for number in range(len(names))]


def _scalar(text: str) -> str:
    text = text.strip()
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return quoted[1].replace("''", "'") if quoted[1] is not None else quoted[2]
    if not text or _NOT_PLAIN.search(text):
        raise ValueError("a name that is not written plainly")
    return text
