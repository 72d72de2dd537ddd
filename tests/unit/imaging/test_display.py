"""The display pipeline against the formulas of the standard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicom_builders import film, save
from fracturax.core.errors import UnreadableImageError
from fracturax.imaging import read_image

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def shown(tmp_path: Path, pixels: np.ndarray = RAMP, **attributes: Any) -> np.ndarray:
    return read_image(save(film(pixels, **attributes), tmp_path / "a.dcm"))[0].pixels.ravel()


def lut(first: int, entries: list[int], *, bits: int = 16) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    item.LUTData = entries
    item["LUTData"].VR = "US"
    return item


def test_linear_window_follows_the_pseudo_code_of_c_11_2_1_2_1(tmp_path: Path) -> None:
    center, width = 2000.0, 1000.0
    pixels = shown(tmp_path, WindowCenter=center, WindowWidth=width)
    for x in (0, 1500, 1501, 1750, 2000, 2499, 2500, 4095):
        if x <= center - 0.5 - (width - 1) / 2:
            y = 0.0
        elif x > center - 0.5 + (width - 1) / 2:
            y = 1.0
        else:
            y = (x - (center - 0.5)) / (width - 1) + 0.5
        assert pixels[x] == pytest.approx(y, abs=1e-6)


def test_linear_exact_and_sigmoid(tmp_path: Path) -> None:
    window = {"WindowCenter": 2000, "WindowWidth": 1000}
    exact = shown(tmp_path, **window, VOILUTFunction="LINEAR_EXACT")
    assert exact[[1500, 1750, 2000, 2500]] == pytest.approx([0, 0.25, 0.5, 1])
    sigmoid = shown(tmp_path, **window, VOILUTFunction="SIGMOID")
    assert sigmoid[[2000, 2250]] == pytest.approx([0.5, 1 / (1 + np.exp(-1.0))])


def test_first_of_several_windows(tmp_path: Path) -> None:
    several = shown(tmp_path, WindowCenter=[2000, 10], WindowWidth=[1000, 20])
    assert np.array_equal(several, shown(tmp_path, WindowCenter=2000, WindowWidth=1000))


def test_window_is_in_rescaled_units(tmp_path: Path) -> None:
    scaled = shown(
        tmp_path, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=0, WindowWidth=101
    )
    assert scaled[[475, 500, 525]] == pytest.approx([0.005, 0.505, 1.0], abs=1e-6)


def test_monochrome1_is_inverted_after_the_window_and_only_once(tmp_path: Path) -> None:
    window = {"WindowCenter": 1000, "WindowWidth": 500}
    plain = shown(tmp_path, **window)
    for attributes in (
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
        {"PresentationLUTShape": "INVERSE"},
    ):
        assert shown(tmp_path, **window, **attributes) == pytest.approx(1 - plain, abs=1e-6)


def test_modality_lut_then_voi_lut_before_window(tmp_path: Path) -> None:
    pixels = np.arange(6, dtype=np.uint16).reshape(2, 3)
    values = shown(
        tmp_path,
        pixels,
        ModalityLUTSequence=[lut(1, [10, 20, 30])],
        VOILUTSequence=[lut(10, [0] * 10 + [255] + [51] * 10, bits=8)],
        WindowCenter=0,
        WindowWidth=1,
    )
    # Below and above its range a LUT repeats its ends: 0, 1 → 10; 2 → 20; 3, 4, 5 → 30.
    assert values == pytest.approx([0, 0, 1, 0.2, 0.2, 0.2])


def test_lut_of_signed_input(tmp_path: Path) -> None:
    pixels = np.array([[-2, -1, 0, 1]], np.int16)
    values = shown(tmp_path, pixels, VOILUTSequence=[lut(-2, [0, 51, 102, 255], bits=8)])
    assert values == pytest.approx([0, 0.2, 0.4, 1])


def test_without_voi_the_range_without_padding(tmp_path: Path) -> None:
    pixels = np.array([[65535, 100, 200, 300]], np.uint16)
    values = shown(tmp_path, pixels, PixelPaddingValue=65535)
    assert values == pytest.approx([0, 0, 0.5, 1])
    ranged = shown(tmp_path, pixels, PixelPaddingValue=65535, PixelPaddingRangeLimit=250)
    assert ranged == pytest.approx([0, 0, 1, 0])


def test_padding_stays_black_when_inverted(tmp_path: Path) -> None:
    pixels = np.array([[0, 100, 200]], np.uint16)
    values = shown(tmp_path, pixels, PixelPaddingValue=0, PhotometricInterpretation="MONOCHROME1")
    assert values == pytest.approx([0, 1, 0])


def test_constant_film_is_black(tmp_path: Path) -> None:
    assert shown(tmp_path, np.full((2, 2), 7, np.uint16)) == pytest.approx([0] * 4)


def test_32_bit_pixels_take_the_same_way(tmp_path: Path) -> None:
    deep = shown(tmp_path, RAMP.astype(np.uint32), WindowCenter=2000, WindowWidth=1000)
    assert np.array_equal(deep, shown(tmp_path, WindowCenter=2000, WindowWidth=1000))


@pytest.mark.parametrize(
    "attributes",
    [
        {"WindowCenter": 1, "WindowWidth": 0},
        {"WindowCenter": 1, "WindowWidth": "NaN"},
        {"RescaleSlope": 0, "RescaleIntercept": 1},
        {"WindowCenter": 1, "WindowWidth": 5, "VOILUTFunction": "CUBIC"},
    ],
)
def test_impossible_prescription_is_refused(tmp_path: Path, attributes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableImageError):
        shown(tmp_path, **attributes)


def test_history_says_every_step(tmp_path: Path) -> None:
    path = save(
        film(
            RAMP,
            WindowCenter=1,
            WindowWidth=2,
            PhotometricInterpretation="MONOCHROME1",
            PixelPaddingValue=0,
        ),
        tmp_path / "a.dcm",
    )
    names = [step.name for step in read_image(path)[0].history]
    assert names == ["rescale", "window", "invert", "blacken_padding"]
