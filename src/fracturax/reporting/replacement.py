"""Write a file whole or not at all: into a temporary one beside it, then renamed over it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fracturax.core.errors import ConfigError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that becomes `path` when the block ends, and vanishes if it fails.

    Raises:
        ConfigError: If the folder does not exist or cannot be written to.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "answer.txt"
        >>> with replacing(path) as stream:
        ...     _ = stream.write(b"42")
        >>> path.read_text()
        '42'
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        stream = temporary.open("xb")
    except OSError as error:
        raise ConfigError(
            "the report cannot be written there",
            got=error.strerror or type(error).__name__,
            cure="create the folder, or name one that you may write to",
        ) from error
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
