"""The contact sheet shows what changed where it changed, and says what it shows."""

import io

import numpy as np
from PIL import Image as PillowImage

from fracturax.core.image import Radiograph, Volume
from fracturax.reporting.contact_sheet import Stage, sheet_page, sheet_picture
from fracturax.transforms.axis_map import AxisMap

YELLOW = (255, 196, 0)


def _stage(pixels: np.ndarray, axis_map: AxisMap | None = None, title: str = "step") -> Stage:
    image = Volume(pixels) if pixels.ndim == 3 else Radiograph(pixels.astype(np.float32))
    return Stage(title, image, axis_map or AxisMap.identity(pixels.shape))


def _picture(stages: list[Stage], **options: bool) -> np.ndarray:
    data = sheet_picture(stages, name="film.png", **options)
    return np.asarray(PillowImage.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_a_crop_is_framed_where_it_was_cut() -> None:
    film = np.full((300, 300), 0.4)
    cut = AxisMap.cut((300, 300), (60, 90), (120, 150))
    drawn = _picture([_stage(film), _stage(film[60:180, 90:240], cut)])
    rows, columns = np.nonzero((drawn == YELLOW).all(axis=2))
    # One pixel of the sheet is one of the film; the frame is two pixels wide.
    assert abs((rows.max() - rows.min()) - 120) <= 3
    assert abs((columns.max() - columns.min()) - 150) <= 3
    assert abs(columns.min() - (14 + 90)) <= 2


def test_brighter_is_red_darker_is_blue_and_the_rest_is_neither() -> None:
    before = np.full((300, 300), 0.5)
    after = before.copy()
    after[40:100, 40:100] = 0.8
    after[200:260, 40:100] = 0.2
    drawn = _picture([_stage(before), _stage(after)])
    change = drawn[:, 14 + 2 * 314 :]
    red = change[..., 0] - change[..., 2] > 100
    blue = change[..., 2] - change[..., 0] > 100
    assert abs(int(red.sum()) - 3600) < 100
    assert abs(int(blue.sum()) - 3600) < 100
    assert np.nonzero(red)[0].max() < np.nonzero(blue)[0].min()


def test_a_volume_and_images_of_a_pixel_can_be_shown() -> None:
    scan = np.zeros((5, 20, 30), np.float32)
    assert _picture([_stage(scan), _stage(scan + 50)]).shape[1] > 900
    one = np.zeros((1, 1))
    assert _picture([_stage(one), _stage(one)]).size
    line = np.zeros((1, 3000))
    assert _picture([_stage(line), _stage(line)]).size
    turned = AxisMap((5, 20, 30), (30, 20, 5), (2, 1, 0), (-1.0, 1.0, 1.0), (30.0, 0.0, 0.0))
    assert _picture([_stage(scan), _stage(scan.transpose(2, 1, 0)[::-1], turned)]).size


def test_a_plan_without_steps_has_a_sheet_that_says_so() -> None:
    stages = [_stage(np.zeros((9, 9)))]
    assert "no step" in sheet_page(stages, name="film.png")
    assert _picture(stages).size


def test_the_page_is_self_contained_and_escapes_what_comes_from_a_file() -> None:
    film = np.zeros((30, 30))
    stages = [_stage(film), _stage(film, title="<b>"), _stage(film, title="clahe")]
    page = sheet_page(stages, name="<script>alert(1)</script>", is_synthetic=True)
    assert "<script>" not in page
    assert "<b>" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("data:image/jpeg") == 6
    assert "SYNTHETIC" in page
    assert "SYNTHETIC" not in sheet_page(stages, name="a")
