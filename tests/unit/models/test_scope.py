import numpy as np
import numpy.typing as npt
import pytest

from fracturax.core.anatomy import REGIONS
from fracturax.core.image import Acquisition, Image, Radiograph, Volume
from fracturax.models.scope import ScopeModel, fit_scope, unsuitable_file, unsuitable_regions

NOISE = np.random.default_rng(0).random((120, 100), np.float32)


def _film(pixels: npt.NDArray[np.float32] = NOISE, **said: object) -> Radiograph:
    return Radiograph(pixels.copy(), acquisition=Acquisition(**{"modality": "DX", **said}))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (Volume(np.zeros((3, 8, 8), np.int16), acquisition=Acquisition("CT")), "cross-sectional"),
        (Volume(np.zeros((3, 8, 8), np.int16), acquisition=Acquisition("MR")), "cross-sectional"),
        (_film(modality="MR"), "modality MR"),
        (_film(modality="US"), "modality US"),
        (_film(modality="MG"), "modality MG"),
        (_film(body_part="CHEST"), "'CHEST' is no limb"),
        (_film(body_part="skull"), "'skull' is no limb"),
        (_film(has_color=True), "coloured"),
        (_film(np.full((300, 200), 0.5, np.float32)), "blank"),
        (_film(NOISE[:, :40]), "too small"),
        (_film(np.tile(NOISE, (6, 1))), "strip"),
    ],
)
def test_what_is_no_radiograph_of_a_limb_is_refused_with_the_reason(
    image: Image, words: str
) -> None:
    assert words in (unsuitable_file(image) or "")


@pytest.mark.parametrize(
    "said",
    [{}, {"modality": "CR"}, {"modality": "OT"}, {"body_part": "WRIST"}, {"body_part": ""}],
)
def test_a_film_of_a_limb_or_of_an_unnamed_part_is_taken(said: dict[str, str]) -> None:
    assert unsuitable_file(_film(**said)) is None


def test_a_few_white_pixels_on_black_are_still_blank() -> None:
    pixels = np.zeros((300, 200), np.float32)
    pixels[0, 0] = 1.0
    assert "blank" in (unsuitable_file(_film(pixels)) or "")


def _features(count: int, seed: int) -> npt.NDArray[np.float32]:
    """Films in an eight-dimensional subspace of 64 features, with a little noise."""
    basis = np.random.default_rng(99).normal(size=(8, 64))
    generator = np.random.default_rng(seed)
    spread = np.geomspace(5, 1, 8)
    latent = generator.normal(size=(count, 8)) * spread
    noise = generator.normal(size=(count, 64)) * 0.1
    return np.asarray(latent @ basis + noise + 3.0, np.float32)


@pytest.fixture(scope="module")
def scope() -> ScopeModel:
    return fit_scope(_features(600, 1), limit=4.0, rank=8)


def test_films_of_the_known_kind_lie_near_1_and_are_taken(scope: ScopeModel) -> None:
    unseen = _features(300, 2)
    assert scope.distance(unseen).mean() == pytest.approx(1.0, abs=0.15)
    assert [scope.unsuitable(one) for one in unseen] == [None] * 300


def test_what_is_far_along_a_known_direction_is_refused(scope: ScopeModel) -> None:
    step = scope.scale * scope.spread[-1] * scope.components[-1]
    far, near = scope.mean + 12 * step, scope.mean + 0.5 * step
    assert "does not look like a radiograph" in (scope.unsuitable(far) or "")
    assert scope.unsuitable(near) is None


def test_what_leaves_the_known_subspace_is_refused(scope: ScopeModel) -> None:
    outside = np.random.default_rng(5).normal(size=64)
    outside -= scope.components.T @ (scope.components @ outside)
    outside /= np.linalg.norm(outside)
    # Less than the spread of the known films along their own directions.
    assert scope.spread[0] > 0.5
    assert scope.unsuitable((scope.mean + 0.5 * scope.scale * outside).astype(np.float32))


def test_the_distance_is_the_mahalanobis_distance_where_all_components_are_kept() -> None:
    known = _features(400, 3)
    scope = fit_scope(known, limit=1.0, rank=64)
    inverse = np.linalg.inv(np.cov(known.astype(np.float64), rowvar=False, bias=True))
    centered = _features(5, 4) - known.mean(axis=0)
    expected = 0.5 * np.einsum("ij,jk,ik->i", centered, inverse, centered) / 64
    inside = scope.distance(_features(5, 4))
    # Nothing is left for the residual but rounding, which its tiny scale blows up.
    alike = centered / scope.scale
    residual = (alike**2).sum(axis=1) - ((alike @ scope.components.T) ** 2).sum(axis=1)
    rounding = 0.5 * np.abs(residual) / scope.residual_scale
    assert np.allclose(inside - np.where(residual > 0, rounding, 0), expected, rtol=0.02)


def test_a_scope_that_travelled_judges_the_same(scope: ScopeModel) -> None:
    again = ScopeModel.from_arrays(scope.as_arrays())
    some = _features(20, 6)
    assert np.array_equal(again.distance(some) <= again.limit, scope.distance(some) <= scope.limit)
    assert np.allclose(again.distance(some), scope.distance(some), rtol=1e-5)


@pytest.mark.parametrize(
    ("shown", "is_refused"),
    [
        ({"hip", "shoulder"}, True),
        ({"hand", "hip", "shoulder"}, True),
        ({"hand", "shoulder"}, False),
        ({"leg", "hip"}, False),
        ({"hip"}, False),
        (set(), False),
    ],
)
def test_hip_and_shoulder_at_once_are_a_trunk(shown: set[str], is_refused: bool) -> None:
    regions = np.array([0.8 if region in shown else 0.1 for region in REGIONS])
    reason = unsuitable_regions(regions)
    assert (reason is not None) == is_refused
    assert "hip and shoulder" in (reason or "hip and shoulder")
