import json
import pickletools
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.special import expit, logit

from fracturax.core.errors import ModelError, UnknownNameError
from fracturax.core.prediction import Guarantee, OperatingPoints
from fracturax.core.provenance import sha256_of_document
from fracturax.datasets.register import FilmRegister, trace
from fracturax.models.any_bundle import open_any
from fracturax.models.bundle import (
    Bundle,
    Calibration,
    Manifest,
    load_bundle,
    write_bundle,
)
from fracturax.models.fused_bundle import FusedBundle
from fracturax.models.scope import ScopeModel
from fracturax.models.sealed import MANIFEST
from fracturax.models.store import packaged_bundles
from fracturax.models.volume_bundle import VolumeBundle
from fracturax.transforms.plan import PreprocessingPlan

FILES = ("model.onnx", "model.safetensors", "scope.safetensors", "card.md", MANIFEST)
SCOPE = ScopeModel(
    mean=np.zeros(4, np.float32),
    scale=np.ones(4, np.float32),
    components=np.eye(2, 4, dtype=np.float32),
    spread=np.ones(2, np.float32),
    residual_scale=0.5,
    limit=3.0,
)
MANIFEST_OF_TESTS = Manifest(
    name="tiny",
    version="7",
    network="xray",
    created="2026-01-01",
    plan=PreprocessingPlan(64, 96),
    is_mirrored=True,
    operating_points=OperatingPoints(0.1, 1 / 3),
    box_operating_points=OperatingPoints(0.2, 0.4),
    calibration=Calibration(("logit", "heat"), (1.5, 0.1), -0.25),
    box_calibration=Calibration(("box",), (1.0,), 0.0),
    default_precision="fp32",
    graphs=(("fp32", "model.onnx"),),
    training=(("films", "12"),),
)


def test_a_second_view_is_asked_for_from_the_margin_below_every_threshold_on() -> None:
    points = OperatingPoints(0.1, 0.5)
    proven = Guarantee(OperatingPoints(0.05, 0.8), 0.7, 0.95, 0.9, 100, "a site")
    manifest = replace(MANIFEST_OF_TESTS, operating_points=points, mirror_margin=1.0)

    def shifted(probability: float, by: float) -> float:
        return float(expit(logit(probability) + by))

    for one, lowest in ((manifest, 0.1), (replace(manifest, guarantees=(proven,)), 0.05)):
        asked = [shifted(lowest, -0.99), lowest, 0.3, 0.8, 1.0]
        settled = [0.0, shifted(lowest, -1.01)]
        assert all(one.needs_mirror(value) for value in asked)
        assert not any(one.needs_mirror(value) for value in settled)
    assert replace(manifest, mirror_margin=None).needs_mirror(0.0)
    assert not replace(manifest, is_mirrored=False).needs_mirror(0.3)
    with pytest.raises(ModelError, match="no negative number; got -1"):
        replace(manifest, mirror_margin=-1.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle; loading needs no graph that runs."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"\x08\x09graph" * 100)
    (folder / "card.md").write_text("# Ä card\n", encoding="utf-8")
    save_file({"layer": np.ones(3, np.float16)}, folder / "model.safetensors")
    write_bundle(folder, MANIFEST_OF_TESTS, SCOPE)
    return folder


def _rewrite(folder: Path, change: Callable[[dict[str, Any]], None], *, honest: bool) -> None:
    """Change the manifest; an honest one states the hash of what it says."""
    document = json.loads((folder / MANIFEST).read_text())
    change(document)
    if honest:
        body = {key: document[key] for key in ("format", "model", "files")}
        document["sha256"] = sha256_of_document(body)
    (folder / MANIFEST).write_text(json.dumps(document))


def test_a_bundle_comes_back_as_it_was_written(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.manifest == MANIFEST_OF_TESTS
    assert bundle.card == "# Ä card\n"
    assert bundle.graph() == folder / "model.onnx"
    assert bundle.scope is not None
    assert np.array_equal(bundle.scope.components, SCOPE.components)
    assert (bundle.scope.residual_scale, bundle.scope.limit) == (0.5, 3.0)


def test_a_bundle_without_a_scope_takes_every_film(folder: Path) -> None:
    assert write_bundle(folder, MANIFEST_OF_TESTS, None).scope is None
    assert load_bundle(folder).scope is None


def test_a_bundle_works_wherever_it_is_moved(folder: Path, tmp_path: Path) -> None:
    moved = shutil.move(folder, tmp_path / "elsewhere")
    assert load_bundle(moved).manifest == MANIFEST_OF_TESTS


def test_its_identity_names_the_very_same_model(folder: Path) -> None:
    one = load_bundle(folder)
    assert one.identity().bundle_sha256 == one.sha256
    assert one.identity().plan_sha256 == MANIFEST_OF_TESTS.plan.sha256
    (folder / "card.md").write_text("another card")
    assert write_bundle(folder, MANIFEST_OF_TESTS, SCOPE).sha256 != one.sha256


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_a_byte_changed_in_any_file_is_noticed(folder: Path, name: str, place: float) -> None:
    data = bytearray((folder / name).read_bytes())
    # The last byte of the manifest is a line feed that means nothing.
    at = round(place * (len(data) - (3 if name == MANIFEST else 1)))
    data[at] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ModelError):
        load_bundle(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_off_grown_or_gone_is_noticed(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    for content in (data[:-10], data + b"}", b""):
        (folder / name).write_bytes(content)
        with pytest.raises(ModelError):
            load_bundle(folder)
    (folder / name).unlink()
    with pytest.raises(ModelError):
        load_bundle(folder)


def test_a_link_in_place_of_a_file_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "model.onnx").rename(tmp_path / "model.onnx")
    (folder / "model.onnx").symlink_to(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=r"model\.onnx"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "sub/file", "", ".", "..", "a\0b"])
def test_a_manifest_cannot_reach_out_of_its_folder(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    _rewrite(folder, lambda document: document["files"].update({name: empty}), honest=True)
    with pytest.raises(ModelError, match="missing"):
        load_bundle(folder)


def test_a_graph_without_a_hash_does_not_run(folder: Path) -> None:
    _rewrite(folder, lambda document: document["files"].pop("model.onnx"), honest=True)
    with pytest.raises(ModelError, match=r"without a hash; got model\.onnx"):
        load_bundle(folder)


def test_a_scope_without_a_hash_is_not_used(folder: Path) -> None:
    _rewrite(folder, lambda document: document["files"].pop("scope.safetensors"), honest=True)
    assert load_bundle(folder).scope is None


def test_a_threshold_changed_by_hand_is_noticed(folder: Path) -> None:
    def lower(document: dict[str, Any]) -> None:
        document["model"]["operating_points"]["high_sensitivity"] = 0.0

    _rewrite(folder, lower, honest=False)
    with pytest.raises(ModelError, match="manifest of the bundle was changed"):
        load_bundle(folder)


def _set(*keys: str, to: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("format", to=2), "another format; got 2"),
        (_set("model", "name", to=3), "name"),
        (_set("model", "surprise", to=3), "unknown key"),
        (_set("model", "operating_points", "high_sensitivity", to=0.9), "ordered"),
        (_set("model", "calibration", "coefficients", to=[1.0]), "one coefficient"),
        (_set("model", to=None), ""),
        (_set("files", to="abc"), "no bundle"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_a_sentence(
    folder: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    _rewrite(folder, change, honest=True)
    with pytest.raises(ModelError) as caught:
        load_bundle(folder)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"{}", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 200_000]
)
def test_a_manifest_that_is_none_is_a_sentence(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(ModelError, match="no bundle"):
        load_bundle(folder)


def test_a_scope_with_a_missing_part_is_damage(folder: Path) -> None:
    save_file({"mean": SCOPE.mean}, folder / "scope.safetensors")
    from fracturax.core.provenance import sha256_of_file

    new = sha256_of_file(folder / "scope.safetensors")
    _rewrite(folder, _set("files", "scope.safetensors", to=new), honest=True)
    with pytest.raises(ModelError, match="damaged"):
        load_bundle(folder)


def test_an_unknown_name_and_an_unknown_precision_list_what_there_is(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="no model of this name"):
        load_bundle("no-such-model")
    with pytest.raises(UnknownNameError, match="known: fp32"):
        load_bundle(folder).graph("int8")


def test_films_of_the_training_are_known_by_their_pixels(folder: Path) -> None:
    assert len(load_bundle(folder).register) == 0
    films = np.random.default_rng(0).random((3, 60, 50), np.float32)
    register = FilmRegister.of([trace(film) for film in films[:2]])
    bundle = write_bundle(folder, MANIFEST_OF_TESTS, None, register)
    assert [bundle.register.holds(trace(film)) for film in films] == ["itself", "itself", None]


def test_a_damaged_register_is_refused(folder: Path) -> None:
    path = folder / "training_films.safetensors"
    bundle = write_bundle(folder, MANIFEST_OF_TESTS, None, FilmRegister.of(()))
    path.unlink()
    save_file({"digests": np.zeros((1, 7), np.uint8), "details": np.zeros((1, 2), np.int8)}, path)
    with pytest.raises(ModelError, match="register"):
        _ = bundle.register


@pytest.mark.parametrize("total", [-1000.0, -1.0, 0.0, 1.0, 1000.0])
def test_a_calibration_is_the_logistic_of_its_weighted_sum(total: float) -> None:
    calibration = Calibration(("a", "b"), (2.0, -1.0), 0.5)
    probability = calibration.probability({"a": total, "b": total + 0.5, "unused": 9.0})
    assert probability == pytest.approx(1 / (1 + np.exp(-np.clip(total, -50, 50))))
    assert 0 <= probability <= 1


def check_holds_no_pickle(folder: Path) -> None:
    """Fail where a file is, or could be read as, code."""
    for path in folder.iterdir():
        assert path.suffix in {".json", ".md", ".onnx", ".safetensors"}, path.name
        assert not zipfile.is_zipfile(path), path.name
        with pytest.raises((ValueError, IndexError)):
            list(pickletools.genops(path.read_bytes()))


def test_no_file_of_a_real_bundle_is_a_pickle(exported: tuple[object, Bundle]) -> None:
    names = {path.name for path in exported[1].folder.iterdir()}
    assert names == {"model.onnx", "model.safetensors", "card.md", MANIFEST}
    check_holds_no_pickle(exported[1].folder)


def test_the_bundles_that_come_with_the_package_are_whole_and_without_pickle() -> None:
    for name, folder in packaged_bundles().items():
        bundle = open_any(folder)
        assert bundle.folder == folder
        check_holds_no_pickle(folder)
        if isinstance(bundle, Bundle):
            assert bundle.manifest.name == name
            assert bundle.scope is not None


def test_the_fusion_that_comes_with_the_package_goes_with_its_ct_model() -> None:
    folders = packaged_bundles()
    fused, ct = FusedBundle.load(folders["fused"]), VolumeBundle.load(folders["ct"])
    assert fused.manifest.volume_sha256 == ct.sha256
