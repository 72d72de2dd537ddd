"""An archive becomes a folder whole or not at all, and never anything outside it."""

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fracturax.core.errors import DataError
from fracturax.datasets.unpack import unpack
from fracturax.imaging.guard import Limits

FILES = {"Data/a.txt": b"a", "Data/deep/b.txt": b"b" * 100}


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _found(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_one_folder_in_it_is_left_out(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "x.zip", {**FILES, "__MACOSX/Data/._a.txt": b"junk"})
    unpack(archive, tmp_path / "new/data")
    assert _found(tmp_path / "new/data") == {"a.txt": b"a", "deep/b.txt": b"b" * 100}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["data"]


def test_several_entries_stay_as_they_are_and_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    unpack(_zip(tmp_path / "x.zip", {"a": b"1", "b/c": b"2"}), tmp_path / "data")
    assert _found(tmp_path / "data") == {"a": b"1", "b/c": b"2"}


def _slip(path: Path) -> None:
    _zip(path, {**FILES, "Data/../../evil.txt": b"x"})


def _absolute(path: Path) -> None:
    _zip(path, {**FILES, "/evil.txt": b"x"})


def _windows(path: Path) -> None:
    _zip(path, {**FILES, "Data\\..\\..\\evil.txt": b"x"})


def _nameless(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("", "."):
            member = zipfile.ZipInfo("x")
            member.filename = name
            archive.writestr(member, b"x")


def _link(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("Data/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
        archive.writestr("Data/link/evil.txt", b"x")


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Data/bomb", bytes(4 << 20))


def _twice(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Data/a", b"1")
        archive.writestr("Data/a", b"2")


def _file_and_folder(path: Path) -> None:
    _zip(path, {"Data/a": b"1", "Data/a/b": b"2"})


def _damaged(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("Data/a", b"content of a file")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"content of a file", b"CONTENT of a file"))


def _no_zip(path: Path) -> None:
    path.write_bytes(b"no archive at all")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (_slip, "leads out of the archive"),
        (_absolute, "leads out of the archive"),
        (_windows, "leads out of the archive"),
        (_nameless, "the member has no name"),
        (_link, "the member is a link"),
        (_bomb, "unpacks into more than it can hold"),
        (_twice, "two members of the archive share this name"),
        (_file_and_folder, "cannot be unpacked"),
        (_damaged, "Bad CRC"),
        (_no_zip, "damaged"),
    ],
)
def test_a_hostile_or_damaged_archive_leaves_nothing(
    tmp_path: Path, build: Callable[[Path], None], message: str
) -> None:
    archive = tmp_path / "in/x.zip"
    archive.parent.mkdir()
    build(archive)
    limits = Limits(expansion_free_bytes=1 << 20)
    with pytest.raises(DataError, match=message):
        unpack(archive, tmp_path / "in/data", limits=limits)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in archive.parent.iterdir()] == ["x.zip"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "x.zip", FILES)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "else")
    for name in ("full", "file", "link"):
        with pytest.raises(DataError, match="not empty"):
            unpack(archive, tmp_path / name)
    assert _found(tmp_path / "full") == {"mine.txt": b"mine"}
    assert not (tmp_path / "else").exists()


def test_a_full_disk_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = _zip(tmp_path / "x.zip", FILES)
    monkeypatch.setattr("fracturax.datasets.unpack._RESERVE_BYTES", 1 << 60)
    with pytest.raises(DataError, match="too little room on the disk"):
        unpack(archive, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "x.zip", FILES)
    with pytest.raises(DataError, match="number of members"):
        unpack(archive, tmp_path / "data", limits=Limits(members=1))
