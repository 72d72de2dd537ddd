"""A bundle comes into the store whole and verified, by one name, or not at all."""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from fracturax.core.errors import ModelError, UnknownNameError
from fracturax.models.bundle import Bundle, load_bundle, write_bundle
from fracturax.models.importing import import_bundle
from fracturax.models.sealed import MANIFEST
from fracturax.models.store import STORE_VARIABLE, imported_bundles, packaged_bundles


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of this test's own."""
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def folder(exported: tuple[object, Bundle], tmp_path: Path) -> Path:
    """A bundle called tiny, version 1."""
    return _versioned(exported[1], tmp_path / "given", name="tiny", version="1")


def _versioned(bundle: Bundle, folder: Path, **changes: str) -> Path:
    shutil.copytree(bundle.folder, folder)
    write_bundle(folder, replace(bundle.manifest, **changes), bundle.scope)
    return folder


def _zipped(folder: Path, archive: Path, *, inside: str = "") -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(folder.iterdir()):
            out.write(path, f"{inside}{path.name}")
    return archive


@pytest.mark.parametrize("form", ["folder", "zip", "zip with a folder"])
def test_an_imported_bundle_is_loaded_by_name_and_version(form, folder, tmp_path) -> None:
    (folder / "notes.txt").write_text("not listed")
    source = folder
    if form != "folder":
        inside = "a/b/" if "with" in form else ""
        source = _zipped(folder, tmp_path / "tiny.zip", inside=inside)
    bundle = import_bundle(source)
    assert set(imported_bundles()) == {"tiny@1"}
    assert load_bundle("tiny").sha256 == load_bundle("tiny@1").sha256 == bundle.sha256
    assert {path.name for path in bundle.folder.iterdir()} == {*bundle.files, MANIFEST}


def test_the_same_bundle_twice_is_one_and_another_of_its_name_is_refused(folder, tmp_path) -> None:
    first = import_bundle(folder)
    assert import_bundle(folder).folder == first.folder
    other = _versioned(first, tmp_path / "other", created="2000-01-01")
    with pytest.raises(ModelError, match="another tiny@1 was imported before"):
        import_bundle(other)
    assert load_bundle("tiny@1").sha256 == first.sha256


def test_of_several_versions_one_must_be_named(folder, tmp_path) -> None:
    import_bundle(_versioned(import_bundle(folder), tmp_path / "second", version="2"))
    assert load_bundle("tiny@2").manifest.version == "2"
    with pytest.raises(ModelError, match="several versions of tiny"):
        load_bundle("tiny")
    with pytest.raises(UnknownNameError, match="tiny@2"):
        load_bundle("tiny@3")


def test_a_packaged_name_stays_the_packaged_model(exported, tmp_path) -> None:
    name = "xray"
    import_bundle(_versioned(exported[1], tmp_path / "same", name=name, version="99"))
    assert load_bundle(name).folder == packaged_bundles()[name]
    assert load_bundle(f"{name}@99").manifest.version == "99"


def _cut(folder: Path) -> None:
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])


def _changed(folder: Path) -> None:
    path = folder / MANIFEST
    path.write_text(path.read_text().replace('"version": "1"', '"version": "3"'))


def _without(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _linked(folder: Path) -> None:
    path = folder / "model.onnx"
    path.rename(folder.parent / "elsewhere.onnx")
    path.symlink_to(folder.parent / "elsewhere.onnx")


@pytest.mark.parametrize("harm", [_cut, _changed, _without, _linked])
def test_a_damaged_bundle_is_refused_and_leaves_nothing(harm, folder, store) -> None:
    harm(folder)
    with pytest.raises(ModelError):
        import_bundle(folder)
    assert list(store.iterdir()) == []


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a b", "x" * 65])
def test_a_name_that_could_lead_elsewhere_is_refused(name, exported, tmp_path, store) -> None:
    with pytest.raises(ModelError, match="no plain word"):
        import_bundle(_versioned(exported[1], tmp_path / "bad", name=name))
    assert list(store.iterdir()) == []


def test_archives_that_lead_out_or_hold_two_or_none_are_refused(folder, tmp_path) -> None:
    with pytest.raises(ModelError, match="refused"):
        import_bundle(_zipped(folder, tmp_path / "slip.zip", inside="../"))
    two = _zipped(folder, tmp_path / "two.zip", inside="a/")
    with zipfile.ZipFile(two, "a") as out:
        out.write(folder / MANIFEST, f"b/{MANIFEST}")
    with pytest.raises(ModelError, match="several bundles"):
        import_bundle(two)
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(ModelError, match="folder or a zip"):
        import_bundle(tmp_path / "text.zip")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match=f"no {MANIFEST}"):
        import_bundle(empty)
    with pytest.raises(ModelError, match="no such file"):
        import_bundle(tmp_path / "nowhere")
