"""A drawn body with two bones that meet in a joint: found, filled, kept apart; and bad scans."""

import numpy as np
import pytest

from fracturax.core.errors import ImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Volume
from fracturax.transforms import ct_bone
from fracturax.transforms.bone_parts import part_bones
from fracturax.transforms.ct_bone import segment_ct_bone

SHAPE = (40, 96, 120)
SPACING = (1.5, 1.0, 1.0)


def _away(middle: tuple[float, float, float]) -> np.ndarray:
    """Distance from a point, in mm."""
    places = [(np.arange(n) + 0.5) * mm for n, mm in zip(SHAPE, SPACING, strict=True)]
    grids = np.meshgrid(*places, indexing="ij")
    return np.sqrt(sum((grid - at) ** 2 for grid, at in zip(grids, middle, strict=True)))


def _body(*, has_table: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A body with two round bones, a joint space of 3 mm between them, and which is which."""
    row, column = np.mgrid[: SHAPE[1], : SHAPE[2]]
    hu = np.full(SHAPE, -1000, np.int16)
    hu[:, ((row - 44) / 36) ** 2 + ((column - 60) / 52) ** 2 < 1] = 40
    bones = np.zeros(SHAPE, np.uint8)
    for number, at in enumerate((42.0, 74.0), start=1):
        away = _away((30.0, 44.0, at))
        radius = 14.5
        bones[away < radius] = number
        hu[away < radius] = 110
        hu[(away < radius) & (away > radius - 2)] = 700
    if has_table:
        hu[:, 88:91, 10:110] = 300
    noise = np.random.default_rng(0).normal(0, 10, SHAPE)
    return (hu + noise).astype(np.int16), bones


def _volume(hu: np.ndarray) -> Volume:
    return Volume(hu, geometry=Geometry(SPACING, "patient"))


def test_bones_are_found_filled_and_kept_apart_and_the_table_is_not_one() -> None:
    hu, bones = _body(has_table=True)
    found = segment_ct_bone(_volume(hu))
    assert found.is_usable, found.reason
    there = bones > 0
    assert 2 * (found.mask & there).sum() / (found.mask.sum() + there.sum()) > 0.95
    assert len(found.parts) == 2
    for number in (1, 2):
        inside = found.labels[bones == number]
        assert max((inside == label).mean() for label in (1, 2)) > 0.95
    for part in found.parts:
        assert part.voxels == (found.labels == part.label).sum()
        assert part.volume_mm3 == pytest.approx(part.voxels * 1.5)
        box = tuple(slice(*ends) for ends in zip(part.start, part.stop, strict=True))
        assert (found.labels[box] == part.label).sum() == part.voxels


def test_one_bone_is_not_cut_in_two() -> None:
    hu, bones = _body()
    hu[bones == 2] = 40
    found = segment_ct_bone(_volume(hu))
    assert len(found.parts) == 1


def test_a_narrow_bridge_parts_and_a_broad_one_joins() -> None:
    for width, count in ((3, 2), (20, 1)):
        blocks = np.zeros((24, 24, 60), bool)
        blocks[2:22, 2:22, 2:28] = blocks[2:22, 2:22, 32:58] = True
        low = 12 - width // 2
        blocks[low : low + width, low : low + width, 28:32] = True
        hu = np.where(blocks, 500, 40).astype(np.int16)
        labels = part_bones(blocks, blocks, hu, (1.0, 1.0, 1.0), least_mm3=50)
        assert labels.max() == count, width
        assert np.array_equal(labels > 0, blocks)


def test_contrast_medium_without_a_cortex_is_no_bone() -> None:
    hu, bones = _body()
    hu[bones > 0] = 40
    hu[_away((30.0, 44.0, 60.0)) < 12] = 260
    found = segment_ct_bone(_volume(hu))
    assert not found.mask.any()
    assert not found.is_usable
    assert found.reason


def test_a_coarser_grid_gives_nearly_the_same_in_the_shape_of_the_scan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hu, bones = _body()
    monkeypatch.setattr(ct_bone, "_MOST_VOXELS", hu.size // 4)
    found = segment_ct_bone(_volume(hu))
    assert found.labels.shape == SHAPE
    there = bones > 0
    assert 2 * (found.mask & there).sum() / (found.mask.sum() + there.sum()) > 0.85


@pytest.mark.parametrize("value", [-1000, 0, 40, 3000])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 40), (5, 1, 30), (12, 40, 40)])
def test_even_scans_of_any_shape_are_answered(shape: tuple[int, ...], value: int) -> None:
    found = segment_ct_bone(Volume(np.full(shape, value, np.int16)))
    assert found.labels.shape == shape
    assert np.isfinite(found.quality)
    assert not found.is_usable
    assert found.reason
    assert "1 mm" in found.remark


def test_what_is_no_ct_and_what_is_no_number_is_refused() -> None:
    with pytest.raises(ImageError, match="Hounsfield"):
        segment_ct_bone(Volume(np.zeros((3, 9, 9), np.int16), unit="arbitrary"))
    broken = np.zeros((3, 9, 9), np.float32)
    broken[1, 2, 3] = np.inf
    with pytest.raises(ImageError, match="no numbers"):
        segment_ct_bone(Volume(broken))
