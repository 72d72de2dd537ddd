import numpy as np
import pytest

from fracturax.core.errors import ImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph, Step, Volume
from fracturax.core.study import Study, UnreadableFile


def _film(name: str = "film") -> Radiograph:
    return Radiograph(np.zeros((4, 3), np.float32), name=name)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 3), np.float64),
        np.zeros((4, 3), np.uint8),
        np.zeros((4, 3, 3), np.float32),
        np.zeros((0, 3), np.float32),
    ],
)
def test_a_film_is_float32_rows_by_columns(pixels: np.ndarray) -> None:
    with pytest.raises(ImageError):
        Radiograph(pixels)


def test_a_film_has_two_spacings_and_a_volume_three_axes() -> None:
    with pytest.raises(ImageError):
        Radiograph(np.zeros((4, 3), np.float32), geometry=Geometry((1.0, 1.0, 1.0)))
    with pytest.raises(ImageError):
        Volume(np.zeros((4, 3), np.int16))


def test_pixels_cannot_be_changed_under_a_reader() -> None:
    film = _film()
    with pytest.raises(ValueError, match="read-only"):
        film.pixels[0, 0] = 1.0


def test_a_step_is_added_to_the_history_and_the_rest_stays() -> None:
    film = _film("wrist")
    brighter = film.after(Step("invert"), np.ones((4, 3), np.float32))
    assert [step.name for step in brighter.history] == ["invert"]
    assert (brighter.name, type(brighter), film.history) == ("wrist", Radiograph, ())


def test_a_study_has_an_image_or_a_reason() -> None:
    with pytest.raises(ImageError):
        Study("key", ())
    assert Study("key", (), (UnreadableFile("a.dcm", "cut"),)).radiographs == ()


def test_two_images_of_a_study_have_two_names() -> None:
    with pytest.raises(ImageError, match="share a name"):
        Study("key", (_film(), _film()))


def test_films_of_a_study_are_told_from_its_volumes() -> None:
    volume = Volume(np.zeros((2, 4, 3), np.int16), name="ct")
    assert [film.name for film in Study("key", (_film(), volume)).radiographs] == ["film"]
