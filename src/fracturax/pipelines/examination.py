"""Read every file of a data set once, in two processes, holding the pixels of few at a time."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

from fracturax.core.progress import Progress, silent
from fracturax.datasets.examine import Damage, Examined, examine
from fracturax.datasets.fingerprints import Fingerprint, fingerprint
from fracturax.datasets.traits import Traits

_CHUNK = 8
_FEW = 64
_AHEAD = 4


@dataclass(frozen=True, eq=False)
class FileRecord:
    """What is kept of a file: all that is known of it but its pixels.

    Args:
        examined: What it is, without `pixels`.
        print: What tells it from its copies; None where it is damaged.
    """

    examined: Examined
    print: Fingerprint | None


def examine_files(
    paths: Sequence[Path], *, workers: int | None = None, progress: Progress = silent
) -> list[FileRecord]:
    """Read files, each once; what is wrong with one is in its record.

    A file on which the reader itself dies takes a process along, and no other file.

    Args:
        paths: The files.
        workers: Processes; one for each core by default, and none for a few files.
        progress: Where to tell how far the work is.

    Returns:
        A record of each file, in order.
    """
    workers = workers or os.cpu_count() or 1
    if workers == 1 or len(paths) <= _FEW:
        return [examine_file(path) for path in progress(paths, "reading files")]
    records = _in_processes(paths, workers)
    # Started here, before the bar has a thread: a fork copies no other thread's locks.
    first = next(records)
    rest = (record for _ in (0,) for record in records)
    return [
        first if index == 0 else next(rest)
        for index, _ in enumerate(progress(paths, "reading files"))
    ]


def examine_file(path: Path) -> FileRecord:
    """Read a file and fingerprint its film."""
    examined = examine(path)
    mark = None if examined.pixels is None else fingerprint(examined.pixels)
    return FileRecord(replace(examined, pixels=None), mark)


def _examine_chunk(paths: Sequence[Path]) -> list[FileRecord]:
    return [examine_file(path) for path in paths]


def _in_processes(paths: Sequence[Path], workers: int) -> Iterator[FileRecord]:
    """Yield records in order, few chunks under way; a chunk that kills is read file by file."""
    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
    ahead, done = _AHEAD * workers, 0
    while done < len(chunks):
        with _pool(workers) as pool:
            rest = iter(chunks[done:])
            waiting: deque[Future[list[FileRecord]]] = deque()
            try:
                while True:
                    while len(waiting) < ahead and (chunk := next(rest, None)) is not None:
                        waiting.append(pool.submit(_examine_chunk, chunk))
                    if not waiting:
                        break
                    records = waiting.popleft().result()
                    done += 1
                    yield from map(_shared, records)
            except BrokenProcessPool:
                pass
            else:
                continue
        for path in chunks[done]:
            yield _alone(path)
        done += 1


def _alone(path: Path) -> FileRecord:
    """Read a file in a process of its own."""
    with _pool(1) as pool:
        try:
            return pool.submit(examine_file, path).result()
        except BrokenProcessPool:
            damage = Damage("unreadable", "the reader died on this file; do not trust it")
            return FileRecord(Examined("", damage=damage), None)


def _pool(workers: int) -> ProcessPoolExecutor:
    # A fork starts at once and runs no line of the caller's script again; elsewhere than on
    # Linux it is not safe, and a script has to guard its entry, as always there.
    name = "fork" if sys.platform == "linux" else "spawn"
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context(name))


def _shared(record: FileRecord) -> FileRecord:
    """Return a record whose texts are shared with the others: they hold the same few words."""
    traits = record.examined.traits
    classes = {sys.intern(name): sys.intern(value) for name, value in traits.classes.items()}
    numbers = {sys.intern(name): value for name, value in traits.numbers.items()}
    return replace(record, examined=replace(record.examined, traits=Traits(classes, numbers)))
