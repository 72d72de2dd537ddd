"""A network that is shown the bones of a film: how it starts, learns, and reads."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fracturax.core.case import Reference
from fracturax.core.errors import ConfigError, ModelError
from fracturax.core.geometry import Box
from fracturax.core.image import Radiograph, Step
from fracturax.models.classifier import PlainClassifier
from fracturax.models.runtime import XrayPredictor
from fracturax.models.xray import XrayNetwork
from fracturax.training.batches import AugmentedFilms, ExactFilms, StoredFilm, store_film
from fracturax.training.engine import predict_films, train_network
from fracturax.training.recipe import (
    CloserRecipe,
    NetworkRecipe,
    OptimizerRecipe,
    Recipe,
    load_recipe,
)
from fracturax.transforms.augment import Augmentation
from fracturax.transforms.bone_mask import USABLE
from fracturax.transforms.plan import PreprocessingPlan
from tiny_model import drawn_radiograph, export_tiny_bundle, tiny_input, tiny_network
from tiny_release import draw_film

pytestmark = pytest.mark.filterwarnings("ignore")
CHANNEL = PreprocessingPlan(64, 64, roi="channel")
CROP = PreprocessingPlan(64, 64, steps=(Step("crop_to_bone"),))


def _stored(plan: PreprocessingPlan) -> list[StoredFilm]:
    generator = np.random.default_rng(0)
    films = []
    for number in range(8):
        drawn = draw_film(generator, fractured=number % 2 == 0)
        boxes = () if drawn.gap is None else (Box(*map(float, drawn.gap)),)
        film = Radiograph(drawn.pixels.astype(np.float32) / np.float32(255))
        films.append(store_film(f"f{number}", film, Reference(bool(boxes), boxes), plan))
    return films


def test_films_are_stored_with_their_bones_and_how_sure_they_are() -> None:
    for film in _stored(CHANNEL):
        assert film.pixels.shape == (2, 72, 72)
        assert film.evaluation_pixels.shape == (2, 64, 64)
        assert set(np.unique(film.evaluation_pixels[1])) <= {0, 255}
        assert film.bone_quality is not None
        # Whole films fill the 56 columns that a film of 128 x 112 takes.
        assert (film.evaluation_pixels[1].sum() == 64 * 56 * 255) == (film.bone_quality < USABLE)
    assert all(film.bone_quality is None for film in _stored(PreprocessingPlan(64, 64)))


def test_bones_move_with_their_film_and_keep_their_exposure(
    recipe_of: Callable[..., Recipe],
) -> None:
    still = Augmentation(gamma=0, contrast=0, brightness=0, noise=0, blur=0, half_turn=0.5)
    film = _stored(CHANNEL)[0]
    alike = replace(film, pixels=np.stack([film.pixels[0]] * 2))
    moved = AugmentedFilms([alike], replace(recipe_of(), plan=CHANNEL, augmentation=still))
    for draw in range(6):
        grey, other = moved[0, draw, 0].image
        assert np.allclose(grey, other, atol=1e-6)
    changed = AugmentedFilms([film], replace(recipe_of(), plan=CHANNEL))
    assert changed[0, 0, 0].image.shape == (2, 64, 64)
    assert np.array_equal(changed[0, 3, 0].image, changed[0, 3, 0].image)


@pytest.mark.parametrize("network", [XrayNetwork, PlainClassifier])
def test_a_network_starts_as_the_one_that_sees_the_film_alone(
    network: type[XrayNetwork] | type[PlainClassifier],
) -> None:
    images = torch.rand(2, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    answers = []
    for channels in (1, 2):
        torch.manual_seed(0)
        built = network(width=8, channels=channels).eval()
        with torch.inference_mode():
            answers.append(built(images[:, :channels]).fracture)
    assert torch.equal(answers[0], answers[1])


def test_bones_are_learned_from_though_the_first_blocks_are_frozen(
    recipe_of: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = replace(recipe_of(frozen_blocks=4), plan=CHANNEL)
    films = _stored(CHANNEL)
    trained = train_network(
        recipe, films, (), folder=tmp_path, max_steps=2, show_progress=False
    ).network
    assert trained.get_submodule("tint").get_parameter("weight").abs().max() > 0
    images = torch.from_numpy(np.stack([ExactFilms(films)[index].image for index in range(8)]))
    with torch.inference_mode():
        shown = trained(images).embedding
        blind = trained(images * torch.tensor([1.0, 0.0]).view(2, 1, 1)).embedding
    assert not torch.equal(shown, blind)


def test_a_film_cut_to_its_bones_can_be_trained_on(
    recipe_of: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe, films = replace(recipe_of(), plan=CROP), _stored(CROP)
    trained = train_network(recipe, films, (), folder=tmp_path, max_steps=2, show_progress=False)
    assert np.isfinite(predict_films(trained.network, films)).all()
    # The marked gap is still where the film is dark.
    sample = ExactFilms(films)[0]
    assert sample.is_marked
    assert len(sample.boxes) == 1


def test_a_bundle_reads_films_with_their_bones(tmp_path: Path) -> None:
    network = tiny_network(CHANNEL)
    bundle = export_tiny_bundle(network, tmp_path / "bundle", CHANNEL)
    assert bundle.manifest.plan == CHANNEL
    reader, film = XrayPredictor(bundle, threads=1), drawn_radiograph(1)
    given = torch.from_numpy(tiny_input(film, CHANNEL)[None])
    with torch.inference_mode():
        answer = network(torch.cat([given, given.flip(3)])).fracture
        blind = network(given * torch.tensor([1.0, 0.0]).view(2, 1, 1)).fracture
    raw, again = reader.infer(film), XrayPredictor(bundle, threads=1).infer(film)
    assert raw.values["logit"] == pytest.approx(float(answer.mean()), abs=1e-4)
    assert raw.values["logit"] != pytest.approx(float(blind[0]), abs=1e-2)
    found = CHANNEL.prepare(film).bones
    assert found is not None
    assert raw.bone_quality == found.quality
    assert raw.values == again.values
    assert np.array_equal(raw.boxes, again.boxes)
    assert reader.texture(film) == pytest.approx(raw.texture, abs=1e-6)
    alone = replace(bundle, manifest=replace(bundle.manifest, plan=PreprocessingPlan(64, 64)))
    with pytest.raises(ModelError, match="2 channels for 1"):
        XrayPredictor(alone, threads=1)


def test_a_closer_look_sees_windows_of_the_film_alone(recipe_of: Callable[..., Recipe]) -> None:
    closer = CloserRecipe(
        NetworkRecipe("xray", "mobilenet_v2_fine", "random", width=8), OptimizerRecipe()
    )
    stage = replace(recipe_of(), plan=CHANNEL, closer=closer).closer_stage()
    assert stage is not None
    assert stage.plan.channels == 1


def test_a_recipe_names_the_region_by_one_key(tmp_path: Path) -> None:
    head = '[network]\nname = "xray"\n[data]\ndataset = "fracatlas"\n'
    path = tmp_path / "a.toml"
    path.write_text(f'name = "a"\n{head}[plan]\nroi = "channel"\n')
    assert load_recipe(path).plan.channels == 2
    path.write_text(f'name = "a"\n{head}[plan]\nroi = "crop"\n')
    with pytest.raises(ConfigError, match="one of"):
        load_recipe(path)
