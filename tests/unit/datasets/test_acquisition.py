from pathlib import Path

import numpy as np
import PIL.Image

from fracturax.core.case import Case, Reference
from fracturax.core.study import Study
from fracturax.datasets.acquisition import OTHER, acquisitions_of


def _never() -> Study:
    raise AssertionError("no pixel is needed")


def _case(path: Path | None, group: str | None = None) -> Case:
    return Case("a", Reference(False), "p", open=_never, path=path, group=group)


def _jpeg(path: Path, shape: tuple[int, int], quality: int) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    PIL.Image.fromarray(pixels).save(path, quality=quality)
    return path


def test_films_of_one_size_and_encoding_make_a_group(tmp_path: Path) -> None:
    paths = [_jpeg(tmp_path / f"{n}.jpg", (20, 30), 75 if n < 6 else 40) for n in range(12)]
    names = acquisitions_of([_case(path) for path in paths], at_least=6)
    assert len(set(names[:6])) == len(set(names[6:])) == 1
    assert names[0] != names[6]
    assert names[0].startswith("20 x 30")


def test_what_the_data_set_says_comes_first(tmp_path: Path) -> None:
    path = _jpeg(tmp_path / "a.jpg", (20, 30), 75)
    names = acquisitions_of([_case(path, group="north"), _case(path)], at_least=1)
    assert names[0] == "north"
    assert names[1].startswith("20 x 30")


def test_few_unknown_and_unreadable_ones_are_other(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(b"no image")
    paths = [_jpeg(tmp_path / "a.jpg", (20, 30), 75), tmp_path / "b.jpg", tmp_path, None]
    assert acquisitions_of([_case(path) for path in paths], at_least=2) == [OTHER] * 4
