"""Fetch: the official release of a public data set, downloaded, verified and unpacked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fracturax.core.errors import ConfigError, DataError
from fracturax.core.progress import Progress, silent
from fracturax.datasets import Copy, DatasetEntry, Release
from fracturax.datasets.download import RemoteFile, download, part_of, read_answer
from fracturax.datasets.unpack import check_space, refuse_filled, unpack

FIGSHARE = "https://api.figshare.com/v2"
_MOST_NAMED = 20


@dataclass(frozen=True)
class Offer:
    """What a server offers, to be shown before it is downloaded.

    Args:
        title: Title of the release.
        doi: Its identifier, with the version.
        licence: Name of its licence, as the server states it.
        licence_url: Where the licence is read.
        file: What would be downloaded.
    """

    title: str
    doi: str
    licence: str
    licence_url: str
    file: RemoteFile


@dataclass(frozen=True)
class Fetched:
    """A copy of a release, and where it lies."""

    root: Path
    copy: Copy
    is_whole: bool


def fetch(
    entry: DatasetEntry,
    *,
    root: Path,
    accept: Callable[[Offer], bool],
    api: str | None = None,
    progress: Progress = silent,
    wait_s: float = 2.0,
) -> Fetched:
    """Download the release of a data set into a folder, or check the copy that lies there.

    The archive lies beside the folder until it is unpacked: a call that was stopped is gone on
    with by the same call. Nothing that is there is overwritten.

    Args:
        entry: The data set.
        root: Folder of the release; a filled one is checked and left as it is.
        accept: Told the offer, says whether its licence is accepted.
        api: Address of the interface to ask; figshare's if None.
        progress: Where to tell how far the work is.
        wait_s: Seconds to wait before a connection that brought nothing is tried again.

    Raises:
        ConfigError: If the data set cannot be fetched, or its licence is not accepted.
        DataError: If there is no internet or room, the server offers another file than the one
            that is known, or the copy lacks files.
    """
    release = entry.release
    if release is None:
        raise ConfigError(
            f"{entry.name} is nothing to fetch",
            got="a layout of your own data" if entry.is_own else entry.source,
            cure="give its folder with --root where it is used",
        )
    if root.is_dir() and any(root.iterdir()):
        return check_copy(entry, root)
    refuse_filled(root)
    try:
        offer = find_offer(release, api=api)
        if not accept(offer):
            raise ConfigError(
                "the licence was not accepted", got=offer.licence, cure="accept it, or pass --yes"
            )
        archive = root.parent / release.file_name
        was_there = archive.exists()
        there = part_of(offer.file, archive)
        done = there.stat().st_size if there.is_file() else 0
        # The archive and what is in it; films are packed already.
        check_space(root, 2 * release.size - done)
        download(offer.file, archive, progress=progress, wait_s=wait_s)
    except DataError as error:
        way_around = f"or get {entry.source} elsewhere, unpack it, and give its folder with --root"
        cure = f"{error.cure}; {way_around}" if error.cure else way_around
        raise DataError(error.what, got=error.got, cure=cure) from error
    unpack(archive, root, progress=progress)
    if not was_there:
        archive.unlink()
    return check_copy(entry, root)


def check_copy(entry: DatasetEntry, root: Path) -> Fetched:
    """Say what a copy of a release holds and lacks.

    Raises:
        DataError: If the folder is no copy, or lacks files that its own tables name.
    """
    assert entry.release is not None
    copy = entry.check(root)
    if not copy.is_usable:
        named = ", ".join(copy.missing[:_MOST_NAMED])
        more = len(copy.missing) - _MOST_NAMED
        raise DataError(
            f"this copy of {entry.name} is not whole",
            got=f"{len(copy.missing)} files missing: {named}{f' and {more} more' * (more > 0)}",
            cure="unpack the release again, or fetch it into a new folder",
        )
    is_whole = not copy.missing and copy.films == entry.release.films
    return Fetched(root, copy, is_whole)


def find_offer(release: Release, *, api: str | None = None) -> Offer:
    """Ask figshare for the release that is known here.

    Raises:
        DataError: If it cannot be reached, or states another size or sum than the known ones.
    """
    answer = read_answer(f"{api or FIGSHARE}/articles/{release.article}/versions/{release.version}")
    try:
        (file,) = [one for one in answer["files"] if one["name"] == release.file_name]
        licence: dict[str, Any] = answer["license"]
        stated = (file["size"], file["computed_md5"])
        offer = Offer(
            title=str(answer["title"]),
            doi=str(answer["doi"]),
            licence=str(licence["name"]),
            licence_url=str(licence["url"]),
            file=RemoteFile(str(file["download_url"]), release.size, release.md5, release.sha256),
        )
    except (KeyError, TypeError, ValueError):
        raise DataError(
            "figshare does not offer the release that is known here",
            got=f"no {release.file_name} in version {release.version}",
            cure="update FracturaX",
        ) from None
    if stated != (release.size, release.md5):
        raise DataError(
            "figshare states another file than the one that is known here",
            got=f"{stated[0]} bytes with MD5 {stated[1]}",
            cure=f"known: {release.size} bytes with MD5 {release.md5}; update FracturaX",
        )
    return offer
