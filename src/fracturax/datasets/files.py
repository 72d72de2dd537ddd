"""Files of a data set: named inside its root or refused, listed in order, read with a bound."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from fracturax.core.errors import DataError
from fracturax.core.study import Study
from fracturax.imaging.archive import is_hidden
from fracturax.imaging.discover import natural_order
from fracturax.imaging.guard import DEFAULT_LIMITS
from fracturax.imaging.kind import claims_to_be_image
from fracturax.imaging.source import clean_name

LARGEST_TEXT_BYTES = 512 << 20
"""Size up to which a table or an annotation file is read."""


def open_film(path: Path) -> Study:
    """Open the study of one file."""
    from fracturax.imaging import open_study

    return open_study(path)


def folder_at(root: Path) -> Path:
    """Return the folder of a data set.

    Raises:
        DataError: If there is none.
    """
    if not root.is_dir():
        raise DataError(
            "there is no such folder", got=clean_name(str(root)), cure="give the data set's folder"
        )
    return root


def inside(root: Path, entry: str) -> PurePosixPath:
    r"""Return the path that an entry of a table names, relative to the root it may not leave.

    Args:
        root: The folder that holds the data.
        entry: What the table says; `/` and `\` both separate folders.

    Raises:
        ValueError: Saying why the entry is refused, without quoting it.

    Example:
        >>> inside(Path("."), "../secret.png")
        Traceback (most recent call last):
        ...
        ValueError: leads out of the data set's folder
    """
    if not entry or "\0" in entry:
        raise ValueError("names no file")
    windows = PureWindowsPath(entry)
    path = PurePosixPath(windows.as_posix())
    if windows.drive or windows.root or path.is_absolute():
        raise ValueError("is an absolute path; give it relative to the data set's folder")
    if ".." in path.parts:
        raise ValueError("leads out of the data set's folder")
    if not path.parts:
        raise ValueError("names no file")
    try:
        target = (root / path).resolve()
        if not target.is_relative_to(root.resolve()):
            raise ValueError("is a link that leads out of the data set's folder")
        is_file = target.is_file()
    except (OSError, RuntimeError):  # a name too long, a loop of links
        is_file = False
    if not is_file:
        raise ValueError("names a file that is not there")
    return path


def image_files(folder: Path, *, root: Path) -> list[Path]:
    """Return the files below a folder that promise an image, in natural order.

    Hidden files and files of other kinds are left out. The content decides when a film is opened.

    Raises:
        DataError: If a link leads out of the root or to a folder, or there are too many files.
    """
    found = [path for path in walk(folder, root) if claims_to_be_image(path.name)]
    for path in found:
        if not path.name.isprintable():  # bytes that are no UTF-8 come as surrogates
            raise DataError(
                "a file's name cannot be written into a table",
                got=clean_name(path.relative_to(root).as_posix()),
                cure="rename it",
            )
    return sorted(found, key=lambda path: natural_order(path.relative_to(root).as_posix()))


def holds_an_image(folder: Path, *, root: Path) -> bool:
    """Whether there is a file below a folder that promises an image."""
    return any(claims_to_be_image(path.name) for path in walk(folder, root))


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder that are not hidden, in natural order."""
    found = [path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name)]
    return sorted(found, key=lambda path: natural_order(path.name))


def walk(folder: Path, root: Path) -> Iterator[Path]:
    """Yield the files below a folder that are not hidden, in no order.

    Raises:
        DataError: If there are too many, folders are nested too deep, or a link that could bring
            in foreign files leads out of the root.
    """
    pending = [(folder, 0)]
    count = 0
    while pending:
        here, depth = pending.pop()
        if depth > DEFAULT_LIMITS.folder_depth:
            raise DataError(
                "the folders are nested too deep", got=f"more than {DEFAULT_LIMITS.folder_depth}"
            )
        with os.scandir(here) as entries:
            for entry in entries:
                path = Path(entry.path)
                if is_hidden(entry.name):
                    continue
                if entry.is_symlink() and _is_refused(path, root):
                    continue
                if entry.is_dir():
                    pending.append((path, depth + 1))
                elif entry.is_file():
                    count += 1
                    yield path
        if count > DEFAULT_LIMITS.members:
            raise DataError(
                "the folder holds too many files", got=f"more than {DEFAULT_LIMITS.members}"
            )


def _is_refused(link: Path, root: Path) -> bool:
    """Whether a link is left out; one that could bring in foreign or doubled films is an error."""
    name = clean_name(link.relative_to(root).as_posix())
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        if not claims_to_be_image(link.name):
            return True
        raise DataError("a link leads to nothing", got=name, cure="remove it") from None
    if not target.is_relative_to(root.resolve()):
        raise DataError(
            "a link leads out of the data set's folder", got=name, cure="copy what it points to"
        )
    if target.is_dir():
        raise DataError(
            "a folder of the data set is a link", got=name, cure="put the folder itself there"
        )
    return False


def read_text(path: Path, *, largest: int = LARGEST_TEXT_BYTES) -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Raises:
        DataError: If it is not there, too large, or no such text.
    """
    name = clean_name(path.name)
    if not path.is_file():  # a pipe or a device would never end
        raise DataError("there is no such file", got=f"no {name} in {clean_name(str(path.parent))}")
    try:
        with path.open("rb") as stream:
            data = stream.read(largest + 1)
    except OSError as error:
        raise DataError(f"{name} cannot be read", got=type(error).__name__) from None
    if len(data) > largest:
        raise DataError(
            f"{name} is larger than what is read of a table or annotation file",
            got=f"{path.stat().st_size} bytes, above {largest}",
            cure="split the data set",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} is no text in UTF-8",
            got=f"a foreign byte in line {line}",
            cure="save it as UTF-8",
        ) from None


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: If it cannot be read, is no JSON, or is nested too deep.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        got = f"{error.msg.lower()} in line {error.lineno}"
    except (RecursionError, ValueError) as error:
        got = "lists nested too deep" if isinstance(error, RecursionError) else "a number too long"
    raise DataError(f"{clean_name(path.name)} is no readable JSON", got=got, cure="export it again")
