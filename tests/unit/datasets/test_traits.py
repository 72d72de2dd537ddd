"""What is told of a film without its anatomy, and nothing of the patient."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from dicom_builders import film
from fracturax.datasets.examine import examine, picture_of
from fracturax.datasets.traits import (
    TRAITS,
    acquisition_groups,
    count_characters,
    file_traits,
    name_traits,
    pixel_traits,
)
from tiny_release import draw_film

DRAWN = draw_film(np.random.default_rng(3), fractured=True).pixels


def _jpeg(pixels: npt.NDArray[np.uint8] = DRAWN, **options: object) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", [30, 50, 75, 89, 95])
def test_the_quality_of_a_jpeg_is_that_it_was_saved_with(quality: int) -> None:
    assert file_traits(_jpeg(quality=quality), "jpeg").numbers["quality"] == quality


def test_the_encoding_of_a_jpeg_is_read_from_its_header() -> None:
    color = np.stack([DRAWN] * 3, axis=-1)
    plain = file_traits(_jpeg(color, subsampling=0), "jpeg").classes
    halved = file_traits(_jpeg(color, subsampling=2, progressive=True, dpi=(96, 96)), "jpeg")
    assert (plain["chroma"], plain["coding"], plain["density"]) == ("4:4:4", "baseline", "none")
    assert halved.classes["chroma"] == "4:2:0"
    assert halved.classes["coding"] == "progressive"
    assert halved.classes["density"] == "96 x 96"
    assert (plain["mode"], plain["size"]) == ("RGB", "128 x 112")
    assert file_traits(_jpeg(), "jpeg").classes["chroma"] == "none"
    assert (
        plain["quantization"]
        != file_traits(_jpeg(color, quality=60), "jpeg").classes["quantization"]
    )


def test_metadata_is_told_by_its_presence_and_not_by_its_content() -> None:
    exif = Image.Exif()
    exif[0x0131], exif[0x0132] = "Scanner 3.1", "2021:03:04 05:06:07"
    classes = file_traits(_jpeg(exif=exif), "jpeg").classes
    assert (classes["metadata"], classes["software"]) == ("exif", "Scanner 3.1")
    assert classes["dates"] == "present"
    assert "2021" not in str(classes)
    assert file_traits(_jpeg(), "jpeg").classes["dates"] == "none"


def test_bytes_after_the_end_are_told() -> None:
    assert file_traits(_jpeg(), "jpeg").classes["padding"] == "none"
    assert file_traits(_jpeg() + bytes(9), "jpeg").classes["padding"] == "zeros"
    assert file_traits(_jpeg() + b"tail", "jpeg").classes["padding"] == "other"


def test_a_dicom_film_tells_its_device_and_not_its_patient_or_hospital() -> None:
    buffer = BytesIO()
    film(
        DRAWN.astype(np.uint16),
        PatientID="SECRET-1",
        PatientBirthDate="19500102",
        StudyDate="20200102",
        InstitutionName="Secret Hospital",
        Manufacturer="Maker",
        ManufacturerModelName="Model 9",
    ).save_as(buffer, enforce_file_format=True)
    traits = file_traits(buffer.getvalue(), "dicom")
    assert (traits.classes["manufacturer"], traits.classes["device"]) == ("Maker", "Model 9")
    assert traits.classes["dates"] == "present"
    for secret in ("Secret", "SECRET", "1950", "2020"):
        assert secret not in str(traits)


def test_the_name_of_a_file_is_told_as_a_pattern() -> None:
    traits = name_traits("a/Smith_John-0042.jpg", "a")
    assert traits.classes["name_pattern"] == "Aaaaa_Aaaa-0000.jpg"
    assert traits.numbers["number"] == 42
    assert "Smith" not in str(traits)


def test_a_frame_is_measured_on_each_side() -> None:
    framed = np.full((200, 100), 90, np.uint8)
    framed[:20], framed[:, -10:] = 255, 255
    traits = pixel_traits(framed)
    assert traits.classes["border_sides"] == "top right"
    assert traits.numbers["border"] == pytest.approx(100 * (1 - 180 * 90 / 20_000), abs=0.01)
    assert pixel_traits(DRAWN).numbers["border"] == 0


def _film_of(rows: int, columns: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.resize(DRAWN, (columns, rows), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize("scale", [1, 3])
def test_text_is_counted_by_its_letters_whatever_the_size_of_the_film(scale: int) -> None:
    plain = _film_of(500 * scale, 400 * scale)
    written = plain.copy()
    written[: 60 * scale] = 15
    place = (20 * scale, 40 * scale)
    cv2.putText(written, "ANKLE", place, cv2.FONT_HERSHEY_SIMPLEX, 0.6 * scale, 255, scale)
    assert count_characters(plain) == 0
    assert count_characters(written) == 5


def test_a_side_marker_and_a_row_of_screws_are_no_text() -> None:
    marked = _film_of(500, 400)
    cv2.putText(marked, "L", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 2)
    for row in range(6):
        cv2.rectangle(marked, (300, 40 + 30 * row), (380, 52 + 30 * row), 255, -1)
    assert count_characters(marked) == 0


def test_films_made_alike_share_a_group_and_odd_sizes_share_one() -> None:
    alike = [file_traits(_jpeg(quality=75), "jpeg")] * 6
    other = file_traits(_jpeg(quality=40), "jpeg")
    odd = [file_traits(_jpeg(DRAWN[: 60 + row], quality=75), "jpeg") for row in range(3)]
    groups = acquisition_groups([*alike, other, *odd])
    assert len(set(groups[:6])) == 1
    assert groups[6] not in groups[:6]
    assert len(set(groups[7:])) == 1
    assert "odd size" in groups[7]


def test_a_whole_film_is_read_with_every_trait_known_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(_jpeg(quality=75))
    examined = examine(path)
    assert (examined.rows, examined.columns, examined.damage) == (128, 112, None)
    assert examined.pixels is not None
    assert abs(examined.pixels.astype(int) - DRAWN).mean() < 6
    known = {trait.name: trait.kind for trait in TRAITS}
    assert {known[name] for name in examined.traits.classes} == {"class"}
    assert {known[name] for name in examined.traits.numbers} == {"number"}


def test_damage_is_told_apart(tmp_path: Path) -> None:
    whole, path = _jpeg(), tmp_path / "a.jpg"
    for data, kind in (
        (whole[:1500], "truncated"),
        (whole[:-2], "truncated"),
        (b"", "unreadable"),
        (b"no picture " * 99, "unreadable"),
        (bytes(5000), "unreadable"),
        (b"\xff\xd8\xff\xd9", "unreadable"),
    ):
        path.write_bytes(data)
        damage = examine(path).damage
        assert damage is not None
        assert damage.kind == kind, data[:9]
    assert examine(tmp_path / "nowhere.jpg").damage is not None


def test_a_picture_re_encoded_after_it_was_cut_off_is_truncated(tmp_path: Path) -> None:
    grey = DRAWN.copy()
    grey[90:] = 128
    path = tmp_path / "a.jpg"
    path.write_bytes(_jpeg(grey, quality=80))
    damage = examine(path).damage
    assert damage is not None
    assert (damage.kind, "grey" in damage.reason) == ("truncated", True)


def test_what_is_left_of_a_truncated_film_can_be_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(_jpeg(quality=90)[:3000])
    shown = picture_of(path)
    assert shown is not None
    assert abs(shown[:16].astype(int) - DRAWN[:16]).mean() < 4
    assert set(shown[-8:].ravel().tolist()) == {128}
