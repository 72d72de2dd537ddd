"""A folder, archive or disc → its studies: grouped, ordered, and nothing silently lost."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from dicom_builders import GRADIENT, dicomdir, film, save
from fracturax.core.errors import ConfigError, UnreadableImageError
from fracturax.imaging import Limits, find_studies, open_study, read_image
from fracturax.imaging.discover import natural_order


def png(path: Path, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(np.full((4, 4), value, np.uint8)).save(path)
    return path


def test_dicom_files_are_grouped_by_study(tmp_path: Path) -> None:
    for number, study in ((10, "1.2.8"), (2, "1.2.8"), (1, "1.2.9")):
        save(
            film(GRADIENT, StudyInstanceUID=study, InstanceNumber=number), tmp_path / f"IM{number}"
        )
    found = find_studies(tmp_path)
    assert [len(study.files) for study in found] == [1, 2]
    assert found[1].key == hashlib.sha256(b"study1.2.8").hexdigest()[:16]
    study = found[1].open()
    assert [image.name for image in study.images] == ["IM2", "IM10"]
    assert (
        study.images[0].file_sha256 == hashlib.sha256((tmp_path / "IM2").read_bytes()).hexdigest()
    )


def test_each_raster_is_a_study_named_by_its_bytes(tmp_path: Path) -> None:
    path = png(tmp_path / "b" / "a.png", 1)
    png(tmp_path / "a" / "a.png", 2)
    first, second = find_studies(tmp_path)
    assert second.key == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert [image.name for image in first.open().images] == ["a/a.png"]
    with pytest.raises(ConfigError, match="2 studies"):
        open_study(tmp_path)


def test_what_claims_to_be_an_image_and_is_none_is_reported(tmp_path: Path) -> None:
    save(film(GRADIENT), tmp_path / "good.dcm")
    for name in ("notes.txt", "table.csv", "page.html", ".DS_Store", "LICENSE", "viewer.exe"):
        (tmp_path / name).write_text("words")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "._good.dcm").write_bytes(b"x")
    (tmp_path / "bad.dcm").write_text("words")
    (tmp_path / "IM0002").write_bytes(b"\0" * 999)
    save(film(GRADIENT, Modality="SR", PixelData=None), tmp_path / "report.dcm")
    study = open_study(tmp_path)
    assert [image.name for image in study.images] == ["good.dcm"]
    assert sorted(entry.name for entry in study.unreadable) == ["IM0002", "bad.dcm", "report.dcm"]
    keys = [found.key for found in find_studies(tmp_path)]
    assert len(set(keys)) == len(keys) == 3
    assert [len(found.open().images) for found in find_studies(tmp_path)].count(0) == 2


def test_finding_is_the_same_every_time(tmp_path: Path) -> None:
    for number in range(12):
        png(tmp_path / f"{number}.png", number)
    assert find_studies(tmp_path) == find_studies(tmp_path)
    assert [study.files[0].source.name for study in find_studies(tmp_path)][2] == "2.png"


def test_zip_of_dicom_and_of_rasters_by_itself_and_in_a_folder(tmp_path: Path) -> None:
    save(film(GRADIENT), tmp_path / "a.dcm")
    png(tmp_path / "b.png", 3)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "a.dcm", "deep/a.dcm")
    (image,) = open_study(tmp_path / "x.zip").images
    assert image.name == "deep/a.dcm"
    assert np.array_equal(image.pixels, read_image(tmp_path / "a.dcm")[0].pixels)
    (tmp_path / "a.dcm").unlink()
    names = [study.open().images[0].name for study in find_studies(tmp_path)]
    assert names == ["b.png", "x.zip/deep/a.dcm"]


def test_a_zip_member_without_a_name_is_listed_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "exam.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(png(tmp_path / "film.png"), "film.png")
        for name in ("", "."):
            member = zipfile.ZipInfo("x")
            member.filename = name
            archive.writestr(member, b"x")
    studies = find_studies(path)
    assert [file.source.name for study in studies for file in study.files] == ["film.png"]
    reasons = [one.reason for study in studies for one in study.unreadable]
    assert len(reasons) == 2
    assert all("has no name" in reason for reason in reasons)


def test_good_members_of_a_suspicious_zip_are_read(tmp_path: Path) -> None:
    data = save(film(GRADIENT), tmp_path / "a.dcm").read_bytes()
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("good.dcm", data)
        archive.writestr("../bad.dcm", data)
    study = open_study(tmp_path / "x.zip")
    assert [image.name for image in study.images] == ["good.dcm"]
    assert "leads out" in study.unreadable[0].reason
    assert list(tmp_path.parent.glob("bad.dcm")) == []


def test_dicomdir_names_the_files(tmp_path: Path) -> None:
    save(film(GRADIENT), tmp_path / "DISC" / "IM1")
    (tmp_path / "DICOMDIR").write_bytes(dicomdir(["DISC", "IM1"]))
    assert [image.name for image in open_study(tmp_path / "DICOMDIR").images] == ["DISC/IM1"]
    assert [image.name for image in open_study(tmp_path).images] == ["DISC/IM1"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = save(film(GRADIENT), tmp_path / "outside" / "a.dcm")
    inside = tmp_path / "inside"
    png(inside / "b.png")
    (inside / "link.dcm").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    study = open_study(inside)
    assert [image.name for image in study.images] == ["b.png"]
    assert [entry.name for entry in study.unreadable] == ["link.dcm"]


def test_limits_are_an_option(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png")
    with pytest.raises(UnreadableImageError, match="limit of 9"):
        read_image(path, limits=Limits(image_pixels=9))


def test_natural_order_survives_odd_names() -> None:
    names = ["a²", "a10", "a2", "2", "", "b", "10"]
    assert sorted(names, key=natural_order) == ["", "2", "10", "a2", "a10", "a²", "b"]
