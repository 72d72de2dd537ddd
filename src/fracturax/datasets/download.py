"""One large file over HTTPS: goes on where it stopped, and counts only if its sums are right."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from fracturax.core.errors import DataError
from fracturax.core.progress import Progress, silent
from fracturax.core.provenance import software_version

_PIECE = 1 << 20
_TIMEOUT_S = 30.0
_LARGEST_ANSWER = 16 << 20
_ATTEMPTS = 5
_WORTH_TRYING_AGAIN = frozenset({408, 416, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server, and what its bytes must be.

    Args:
        url: Where it lies; https, or http on this very machine.
        size: Its size in bytes.
        md5: Its MD5.
        sha256: Its SHA-256.
    """

    url: str
    size: int
    md5: str
    sha256: str


def download(
    remote: RemoteFile,
    to: Path,
    *,
    progress: Progress = silent,
    attempts: int = _ATTEMPTS,
    wait_s: float = 2.0,
) -> Path:
    """Download a file; what an earlier call left half done is gone on with.

    Until it is whole and verified it lies beside its place as `NAME.<md5>.part`. A connection that
    is cut is taken up again; a server that cannot go on in the middle begins anew.

    Args:
        remote: What to download.
        to: Where to; must not be there, or be the very file.
        progress: Where to tell how far the work is, in pieces of 1 MiB.
        attempts: Connections in a row that may bring nothing.
        wait_s: Seconds before the second of these, doubled before each further one.

    Raises:
        DataError: If the server cannot be reached or refuses, or the file is not what it must be.
    """
    if to.exists():
        _verify(to, remote, place=f"{to.name}, which is already there,")
        return to
    to.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(remote, to)
    failures, reason, most = 0, "", _size_of(part)
    while _size_of(part) != remote.size:
        if failures >= attempts:
            raise DataError(
                "the download does not go on",
                got=f"{_size_of(part)} of {remote.size} bytes; {reason}",
                cure="start it again later: it goes on from there",
            )
        if failures:
            time.sleep(wait_s * 2 ** (failures - 1))
        reason = _receive(remote, part, progress)
        # Beginning anew brings bytes too: only more than ever before is a step forward.
        failures = 0 if _size_of(part) > most else failures + 1
        most = max(most, _size_of(part))
    try:
        _verify(part, remote, place="the download")
    except DataError:
        part.unlink()
        raise
    part.rename(to)
    return to


def part_of(remote: RemoteFile, to: Path) -> Path:
    """Return where a download lies until it is whole; another release has another place."""
    return to.with_name(f"{to.name}.{remote.md5[:8]}.part")


def read_answer(url: str) -> Any:
    """Return the JSON document a server answers with.

    Raises:
        DataError: If it cannot be reached, refuses, or answers with something else.
    """
    try:
        with _open(url) as response:
            text = response.read(_LARGEST_ANSWER)
    except urllib.error.HTTPError as error:
        raise DataError("the server refuses", got=f"HTTP {error.code} from {_host(url)}") from None
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"{_host(url)} cannot be reached",
            got=_reason(error),
            cure="check the connection to the internet",
        ) from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise DataError("the server answers with no JSON", got=_host(url)) from None


def _receive(remote: RemoteFile, part: Path, progress: Progress) -> str:
    """Receive as much as one connection brings; return why it ended."""
    start = _size_of(part)
    if start > remote.size:
        part.unlink()
        start = 0
    try:
        with _open(remote.url, start=start) as response:
            if response.status == 200:
                start = 0
            elif response.status != 206 or not _begins_at(response, start):
                # 202 with a page for browsers is how some servers keep programs out.
                raise DataError(
                    "the server sends something else than the file",
                    got=f"HTTP {response.status}",
                    cure="download it in a browser",
                )
            with part.open("r+b" if start else "wb") as stream:
                stream.seek(start)
                stream.truncate()
                return _copy(response, stream, remote.size - start, progress)
    except urllib.error.HTTPError as error:
        if error.code not in _WORTH_TRYING_AGAIN:
            raise DataError(
                "the server refuses the file",
                got=f"HTTP {error.code} from {_host(remote.url)}",
                cure="download it in a browser",
            ) from None
        if error.code == 416:  # the half file is none of this one
            part.unlink(missing_ok=True)
        return f"HTTP {error.code}"
    except (OSError, http.client.HTTPException) as error:
        return _reason(error)


def _copy(
    response: http.client.HTTPResponse, stream: IO[bytes], left: int, progress: Progress
) -> str:
    for _ in progress(range(-(-left // _PIECE)), "downloading, in MiB"):
        wanted = min(left, _PIECE)
        while wanted:
            piece = response.read(wanted)
            if not piece:
                return "the connection was cut"
            stream.write(piece)
            wanted -= len(piece)
            left -= len(piece)
    if response.read(1):
        raise DataError("the server sends more than the file", cure="try again later")
    return "the file is whole"


def _begins_at(response: http.client.HTTPResponse, start: int) -> bool:
    return (response.getheader("Content-Range") or "").startswith(f"bytes {start}-")


class _CarefulRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only where the connection stays as private as it was."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the next request, or refuse."""
        _check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str, *, start: int = 0) -> http.client.HTTPResponse:
    _check_scheme(url)
    request = urllib.request.Request(url)
    request.add_header("User-Agent", f"fracturax/{software_version()}")
    if start:
        request.add_header("Range", f"bytes={start}-")
    opener = urllib.request.build_opener(_CarefulRedirects)
    response: http.client.HTTPResponse = opener.open(request, timeout=_TIMEOUT_S)
    return response


def _check_scheme(url: str) -> None:
    parts = urlsplit(url)
    is_here = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme != "https" and not is_here:
        raise DataError("a download goes over https only", got=f"{parts.scheme or 'no scheme'}")


def _host(url: str) -> str:
    return urlsplit(url).hostname or "the server"


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", error)
    return type(inner).__name__ if isinstance(inner, Exception) else str(inner)


def _size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _verify(path: Path, remote: RemoteFile, *, place: str) -> None:
    sums = [hashlib.md5(usedforsecurity=False), hashlib.sha256()]
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            for one in sums:
                one.update(piece)
    found = [one.hexdigest() for one in sums]
    if found != [remote.md5, remote.sha256]:
        raise DataError(
            f"{place} is not the file it should be",
            got=f"SHA-256 {found[1][:16]}... instead of {remote.sha256[:16]}...",
            cure="remove it and download it again; if it stays so, do not trust the server",
        )
