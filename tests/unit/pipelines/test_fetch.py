"""Fetching a release: offered, accepted, downloaded, verified, unpacked; or a copy checked."""

import dataclasses
import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from file_server import FileServer, serving
from fracturax.core.errors import ConfigError, DataError
from fracturax.datasets import DATASETS, DatasetEntry, open_dataset
from fracturax.pipelines.fetch import Fetched, Offer, fetch
from tiny_release import write_release

API = "/articles/22363012/versions/7"


def _packed(root: Path, *, evil: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                archive.write(path, f"FracAtlas/{path.relative_to(root).as_posix()}")
        if evil:
            archive.writestr("FracAtlas/../../evil.txt", "x")
    return buffer.getvalue()


def _entry(content: bytes, *, films: int = 20) -> DatasetEntry:
    entry = DATASETS["fracatlas"]
    assert entry.release is not None
    release = dataclasses.replace(
        entry.release,
        size=len(content),
        md5=hashlib.md5(content).hexdigest(),
        sha256=hashlib.sha256(content).hexdigest(),
        films=films,
    )
    return dataclasses.replace(entry, release=release)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_release(tmp_path_factory.mktemp("release"), films=20)
    (root / "Utilities/Fracture Split/test.csv").write_text("image_id\n")
    return root


@pytest.fixture
def server(release: Path) -> Iterator[FileServer]:
    with serving(_packed(release)) as server:
        _offer(server)
        yield server


def _offer(server: FileServer, **changes: object) -> None:
    file = {
        "name": "FracAtlas.zip",
        "size": len(server.content),
        "computed_md5": hashlib.md5(server.content).hexdigest(),
        "download_url": f"{server.url}/moved",
        **changes,
    }
    server.answers[API] = {
        "title": "The dataset",
        "doi": "10.6084/m9.figshare.22363012.v7",
        "license": {"name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"},
        "files": [{"name": "other.txt"}, file],
    }


def _fetch(
    server: FileServer, root: Path, entry: DatasetEntry | None = None, **more: Any
) -> Fetched:
    options = {"accept": lambda _: True, "api": server.url, "wait_s": 0, **more}
    return fetch(entry or _entry(server.content), root=root, **options)


def test_the_release_lies_there_whole_and_opens(server: FileServer, tmp_path: Path) -> None:
    offers: list[Offer] = []
    root = tmp_path / "new/fracatlas"
    done = _fetch(server, root, accept=lambda offer: offers.append(offer) or True)
    assert (done.root, done.copy.films, done.copy.missing, done.is_whole) == (root, 20, (), True)
    assert len(open_dataset("fracatlas", root=root)) == 20
    assert [path.name for path in root.parent.iterdir()] == ["fracatlas"]
    assert (offers[0].licence, offers[0].doi) == ("CC BY 4.0", "10.6084/m9.figshare.22363012.v7")


def test_a_licence_that_is_not_accepted_downloads_nothing(
    server: FileServer, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="licence was not accepted"):
        _fetch(server, tmp_path / "x", accept=lambda _: False)
    assert list(tmp_path.iterdir()) == []


def test_a_fetch_that_was_cut_goes_on_in_the_next_call(server: FileServer, tmp_path: Path) -> None:
    server.cut_after = [1000] + [0] * 10
    with pytest.raises(DataError, match="does not go on"):
        _fetch(server, tmp_path / "x")
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    server.cut_after.clear()
    server.asked.clear()
    assert _fetch(server, tmp_path / "x").is_whole
    assert server.asked[-1] == "bytes=1000-"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_an_archive_that_the_user_put_there_is_used_and_kept(
    server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "FracAtlas.zip").write_bytes(server.content)
    assert _fetch(server, tmp_path / "x").is_whole
    assert (tmp_path / "FracAtlas.zip").is_file()


def test_other_bytes_than_known_are_refused(server: FileServer, tmp_path: Path) -> None:
    known = _entry(server.content)
    server.content = server.content[:-1] + b"?"
    _offer(server)
    with pytest.raises(DataError, match="states another file than the one that is known"):
        _fetch(server, tmp_path / "x", known)
    assert known.release is not None
    _offer(server, computed_md5=known.release.md5)
    with pytest.raises(DataError, match="the download is not the file it should be"):
        _fetch(server, tmp_path / "x", known)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("answer", [{}, [], {"files": []}, {"files": [{"name": "FracAtlas.zip"}]}])
def test_an_offer_that_is_none(server: FileServer, tmp_path: Path, answer: object) -> None:
    server.answers[API] = answer
    with pytest.raises(DataError, match="does not offer the release that is known here"):
        _fetch(server, tmp_path / "x")


def test_a_slip_in_the_archive_leaves_nothing(
    server: FileServer, release: Path, tmp_path: Path
) -> None:
    server.content = _packed(release, evil=True)
    _offer(server)
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="leads out of the archive"):
        _fetch(server, tmp_path / "in/x")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["FracAtlas.zip"]


def test_without_internet_the_way_around_is_named(server: FileServer, tmp_path: Path) -> None:
    server.server_close()
    with pytest.raises(DataError) as caught:
        _fetch(server, tmp_path / "x")
    assert "cannot be reached" in str(caught.value)
    assert "give its folder with --root" in str(caught.value)


def test_a_full_disk_is_told_before_the_download(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fracturax.datasets.unpack._RESERVE_BYTES", 1 << 60)
    with pytest.raises(DataError, match="too little room"):
        _fetch(server, tmp_path / "x")
    assert server.asked == [""]


def test_a_copy_at_hand_is_checked_and_left_alone(tmp_path: Path) -> None:
    root = write_release(tmp_path / "copy", films=20)
    before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
    entry = _entry(b"", films=24)
    done = fetch(entry, root=root, accept=lambda _: pytest.fail("nothing to accept"))
    assert done.copy.missing == ("Utilities/Fracture Split/test.csv",)
    assert (done.copy.films, done.is_whole, done.copy.is_usable) == (20, False, True)
    assert before == sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))


def test_a_copy_that_lacks_films_names_them(tmp_path: Path) -> None:
    root = write_release(tmp_path / "copy", films=60)
    for path in (root / "images/Fractured").iterdir():
        path.unlink()
    with pytest.raises(DataError) as caught:
        fetch(_entry(b""), root=root, accept=lambda _: True)
    message = str(caught.value)
    assert "31 files missing: images/Fractured/IMG0000000.jpg" in message
    assert "and 11 more" in message


def test_a_folder_of_something_else_is_neither_overwritten_nor_taken(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="not the FracAtlas release"):
        fetch(_entry(b""), root=tmp_path, accept=lambda _: True)
    with pytest.raises(DataError, match="not empty"):
        fetch(_entry(b""), root=tmp_path / "mine.txt", accept=lambda _: True)


def test_a_layout_is_nothing_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="csv is nothing to fetch; got a layout of your own data"):
        fetch(DATASETS["csv"], root=tmp_path, accept=lambda _: True)
