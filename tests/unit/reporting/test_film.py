import numpy as np

from fracturax.core.finding import Finding
from fracturax.core.geometry import Box
from fracturax.core.image import Radiograph, Volume
from fracturax.core.prediction import ImagePrediction
from fracturax.reporting.film import View, display_pixels, marked_views, views_of

VOLUME = Volume(np.arange(10 * 4 * 4, dtype=np.int16).reshape(10, 4, 4) * 10 - 500, name="ct")


def _finding(probability: float, slices: tuple[int, int] | None) -> Finding:
    return Finding("ct", Box(0, 0, 2, 2), 0.5, probability, "certain", slices=slices)


def _answer(*findings: Finding) -> ImagePrediction:
    return ImagePrediction("ct", "fracture", 0.9, findings=findings)


def test_a_film_is_one_view_of_all_its_findings() -> None:
    film = Radiograph(np.zeros((4, 4), np.float32), name="ct")
    finding = _finding(0.5, None)
    assert views_of(film, _answer(finding)) == (View(None, (finding,)),)
    assert marked_views(film, _answer(finding)) == (View(None, (finding,)),)


def test_a_volume_shows_the_middle_of_each_finding_the_most_probable_first() -> None:
    low, high, within = _finding(0.2, (0, 3)), _finding(0.9, (4, 9)), _finding(0.1, (6, 7))
    views = views_of(VOLUME, _answer(low, high, within))
    assert views == (View(6, (high, within)), View(1, (low,)))


def test_every_slice_of_a_finding_is_marked() -> None:
    first, second = _finding(0.2, (0, 2)), _finding(0.9, (1, 3))
    assert marked_views(VOLUME, _answer(first, second)) == (
        View(0, (first,)),
        View(1, (first, second)),
        View(2, (second,)),
    )


def test_a_finding_without_slices_is_in_the_middle_one() -> None:
    finding = _finding(0.5, None)
    assert marked_views(VOLUME, _answer(finding)) == (View(5, (finding,)),)
    assert views_of(VOLUME, _answer()) == (View(5, ()),)


def test_a_slice_is_shown_as_asked() -> None:
    middle, first = display_pixels(VOLUME), display_pixels(VOLUME, slice_index=0)
    assert middle.mean() > first.mean()
    assert (display_pixels(VOLUME, slice_index=5) == middle).all()
