"""A download from a real server on loopback: whole, resumed, refused, and never a wrong file."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from file_server import FileServer, serving
from fracturax.core.errors import DataError
from fracturax.datasets.download import RemoteFile, download, part_of, read_answer

CONTENT = np.random.default_rng(0).bytes((1 << 20) + 4711)
HALF = 1 << 19


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving(CONTENT) as server:
        yield server


def _remote(server: FileServer, path: str = "/file", content: bytes = CONTENT) -> RemoteFile:
    return RemoteFile(
        server.url + path,
        len(content),
        hashlib.md5(content).hexdigest(),
        hashlib.sha256(content).hexdigest(),
    )


def _download(remote: RemoteFile, to: Path, **options: object) -> Path:
    return download(remote, to, wait_s=0, **options)  # type: ignore[arg-type]


def test_a_whole_file(server: FileServer, tmp_path: Path) -> None:
    seen: list[int] = []

    def progress(items: Sequence[int], words: str) -> Iterator[int]:
        assert "MiB" in words
        for item in items:
            seen.append(item)
            yield item

    to = _download(_remote(server, "/moved"), tmp_path / "new/file.zip", progress=progress)
    assert to.read_bytes() == CONTENT
    assert len(seen) == 2
    assert [path.name for path in to.parent.iterdir()] == ["file.zip"]


def test_a_connection_that_is_cut_is_taken_up_where_it_was(
    server: FileServer, tmp_path: Path
) -> None:
    server.cut_after = [HALF + 7, 5]
    to = _download(_remote(server, "/moved"), tmp_path / "file.zip")
    assert to.read_bytes() == CONTENT
    # Each is asked twice, as the redirect keeps the range.
    wanted = ["", f"bytes={HALF + 7}-", f"bytes={HALF + 12}-"]
    assert server.asked == [asked for asked in wanted for _ in range(2)]


def test_a_later_call_goes_on_with_what_an_earlier_one_left(
    server: FileServer, tmp_path: Path
) -> None:
    remote, to = _remote(server), tmp_path / "file.zip"
    server.cut_after = [HALF, 0, 0]
    with pytest.raises(DataError, match=r"does not go on; got 524288 of .* the connection was cut"):
        _download(remote, to, attempts=2)
    assert part_of(remote, to).stat().st_size == HALF
    assert not to.exists()
    server.asked.clear()
    assert _download(remote, to).read_bytes() == CONTENT
    assert server.asked == [f"bytes={HALF}-"]


def test_a_server_without_ranges_begins_anew(server: FileServer, tmp_path: Path) -> None:
    server.knows_ranges, server.cut_after = False, [HALF]
    assert _download(_remote(server), tmp_path / "file.zip").read_bytes() == CONTENT
    server.cut_after = [HALF] * 9
    with pytest.raises(DataError, match="does not go on"):
        _download(_remote(server), tmp_path / "again.zip", attempts=3)
    assert len(server.cut_after) == 9 - 4


def test_a_wrong_sum_leaves_no_file(server: FileServer, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(DataError, match="the download is not the file it should be"):
        _download(_remote(server), tmp_path / "file.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_half_file_of_other_bytes_is_found_out(server: FileServer, tmp_path: Path) -> None:
    remote, to = _remote(server), tmp_path / "file.zip"
    part_of(remote, to).write_bytes(bytes(HALF))
    with pytest.raises(DataError, match="not the file it should be"):
        _download(remote, to)
    assert _download(remote, to).read_bytes() == CONTENT


def test_a_range_that_begins_elsewhere_is_not_put_together(
    server: FileServer, tmp_path: Path
) -> None:
    remote, to = _remote(server), tmp_path / "file.zip"
    part_of(remote, to).write_bytes(CONTENT[:HALF])
    server.shifted_by = 7
    with pytest.raises(DataError, match="something else than the file; got HTTP 206"):
        _download(remote, to)
    assert part_of(remote, to).stat().st_size == HALF


def test_a_half_file_that_is_too_long_begins_anew(server: FileServer, tmp_path: Path) -> None:
    remote, to = _remote(server), tmp_path / "file.zip"
    part_of(remote, to).write_bytes(bytes(len(CONTENT) + 1))
    assert _download(remote, to).read_bytes() == CONTENT


def test_a_shorter_and_a_longer_file_on_the_server(server: FileServer, tmp_path: Path) -> None:
    server.content = CONTENT + b"x"
    with pytest.raises(DataError, match="sends more than the file"):
        _download(_remote(server), tmp_path / "file.zip")
    server.content = CONTENT[:HALF]
    with pytest.raises(DataError, match="does not go on"):
        _download(_remote(server), tmp_path / "other.zip", attempts=2)


def test_a_busy_server_is_asked_again_and_a_refusal_is_not(
    server: FileServer, tmp_path: Path
) -> None:
    server.codes = [503, 429]
    assert _download(_remote(server), tmp_path / "file.zip").read_bytes() == CONTENT
    for code, message in ((404, "refuses the file; got HTTP 404"), (202, "something else than")):
        server.codes, before = [code], len(server.asked)
        with pytest.raises(DataError, match=message):
            _download(_remote(server), tmp_path / "other.zip")
        assert len(server.asked) == before + 1


def test_a_file_that_is_there_is_kept_if_it_is_the_one_and_never_replaced(
    server: FileServer, tmp_path: Path
) -> None:
    to = tmp_path / "file.zip"
    to.write_bytes(CONTENT)
    assert _download(_remote(server), to) == to
    to.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"file\.zip, which is already there, is not the file"):
        _download(_remote(server), to)
    assert to.read_bytes() == b"mine"
    assert server.asked == []


def test_nobody_there_is_a_sentence(server: FileServer, tmp_path: Path) -> None:
    remote = _remote(server)
    server.server_close()
    with pytest.raises(DataError, match="does not go on; got 0 of"):
        _download(remote, tmp_path / "file.zip", attempts=2)
    with pytest.raises(DataError, match=r"127\.0\.0\.1 cannot be reached; got ConnectionRefused"):
        read_answer(remote.url)


@pytest.mark.parametrize("url", ["http://example.org/x", "file:///etc/passwd", "ftp://h/x", "x"])
def test_only_https(url: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="over https only"):
        _download(RemoteFile(url, 1, "", ""), tmp_path / "file.zip")
    with pytest.raises(DataError, match="over https only"):
        read_answer(url)


def test_a_redirect_to_an_open_connection_is_not_followed(
    server: FileServer, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="over https only; got http"):
        _download(_remote(server, "/elsewhere"), tmp_path / "file.zip")


def test_an_answer_is_json_or_a_sentence(server: FileServer) -> None:
    server.answers["/json"] = {"a": [1]}
    assert read_answer(f"{server.url}/json") == {"a": [1]}
    server.codes = [500]
    with pytest.raises(DataError, match="HTTP 500"):
        read_answer(f"{server.url}/file")
    server.content = b"<html>"
    with pytest.raises(DataError, match="no JSON"):
        read_answer(f"{server.url}/file")
