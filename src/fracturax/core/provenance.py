"""Hashes and versions: what it takes to say which bytes gave which answer."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import BinaryIO


def sha256_of_stream(stream: BinaryIO) -> str:
    """Return the SHA-256 of what is left in a binary stream, read in bounded pieces."""
    digest = hashlib.sha256()
    while piece := stream.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return sha256_of_stream(stream)


def sha256_of_document(document: object) -> str:
    """Return the SHA-256 of a JSON document in canonical form (sorted keys, no blanks).

    Example:
        >>> sha256_of_document({"b": 1, "a": 2}) == sha256_of_document({"a": 2, "b": 1})
        True
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def begun_from(weights: str) -> str:
    """Return what a network began from: `imagenet`, `random`, or a file by its name and bytes.

    Where the file lay on one machine is nobody's business, and decides nothing.

    Example:
        >>> begun_from("random")
        'random'
    """
    path = Path(weights)
    return f"{path.name}, sha256 {sha256_of_file(path)}" if path.is_file() else path.name


@cache
def software_version() -> str:
    """Return the installed version of FracturaX."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fracturax")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"
