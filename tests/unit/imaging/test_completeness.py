"""A file whose end is missing is told, whatever its decoder makes of it."""

from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from dicom_builders import film
from fracturax.imaging.completeness import grey_tail, missing_end, structure_of
from fracturax.imaging.guard import DEFAULT_LIMITS
from fracturax.imaging.kind import kind_of

PIXELS = np.random.default_rng(0).integers(0, 255, (60, 50), np.uint8)


def _encoded(form: str, **options: object) -> bytes:
    buffer = BytesIO()
    Image.fromarray(PIXELS).save(buffer, form, **options)
    return buffer.getvalue()


def _gap(data: bytes) -> str | None:
    kind = kind_of(data[:1024])
    assert kind is not None
    return missing_end(data, kind, DEFAULT_LIMITS)


def _tiff(*, big: bool) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, PIXELS, bigtiff=big)
    return buffer.getvalue()


WHOLE = {
    "jpeg": _encoded("JPEG", quality=90),
    "progressive jpeg": _encoded("JPEG", quality=90, progressive=True),
    "jpeg with an exif thumbnail": _encoded("JPEG", exif=b"Exif\0\0" + _encoded("JPEG")),
    "png": _encoded("PNG"),
    "tiff": _encoded("TIFF"),
    "big tiff": _tiff(big=True),
    "tiff by another writer": _tiff(big=False),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_has_its_end_also_with_bytes_after_it(name: str) -> None:
    assert _gap(WHOLE[name]) is None
    assert _gap(WHOLE[name] + b"\0" * 700) is None


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_cut_anywhere_lacks_its_end(name: str, share: float) -> None:
    data = WHOLE[name]
    assert _gap(data[: int(len(data) * share)])


def test_the_last_two_bytes_of_a_jpeg_are_missed_though_its_picture_is_whole() -> None:
    data = WHOLE["jpeg"][:-2]
    assert np.asarray(Image.open(BytesIO(WHOLE["jpeg"]))).shape == (60, 50)
    assert _gap(data) == "it ends inside the picture"


def test_the_end_of_an_embedded_thumbnail_is_not_the_end_of_the_picture() -> None:
    data = WHOLE["jpeg with an exif thumbnail"]
    cut = data[: data.rfind(b"\xff\xda") + 40]
    assert b"\xff\xd9" in cut
    assert _gap(cut)


def test_a_png_without_its_last_chunk_is_cut_off() -> None:
    assert "IEND" in (_gap(WHOLE["png"][:-12]) or "")


def _dicom(**changes: object) -> bytes:
    buffer = BytesIO()
    film(PIXELS.astype(np.uint16), **changes).save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_a_dicom_film_lacks_pixels_where_it_is_cut() -> None:
    data = _dicom()
    assert _gap(data) is None
    assert "bytes of its pixels are there" in (_gap(data[:-100]) or "")
    assert _gap(data[:400])


def test_the_segments_of_a_jpeg_are_named_in_order() -> None:
    kinds = [segment.kind for segment in structure_of(WHOLE["jpeg"], "jpeg").segments]
    assert kinds[0] == "APP0"
    assert kinds[-1] == "SOS"
    assert "SOF0" in kinds
    assert "SOF2" in [
        segment.kind for segment in structure_of(WHOLE["progressive jpeg"], "jpeg").segments
    ]


def _with_tail(level: int, rows: int) -> npt.NDArray[np.uint8]:
    pixels = PIXELS.copy()
    pixels[len(pixels) - rows :] = level
    return pixels


def test_grey_rows_at_the_end_are_what_a_decoder_paints_and_black_ones_are_not() -> None:
    assert grey_tail(PIXELS) == 0
    assert grey_tail(_with_tail(128, 15)) == pytest.approx(0.25)
    assert grey_tail(_with_tail(0, 15)) == 0
    framed = _with_tail(128, 15)
    framed[:5] = 128
    assert grey_tail(framed) == 0
