from dataclasses import replace
from pathlib import Path

import pytest

from fracturax.core.errors import ConfigError
from fracturax.core.provenance import sha256_of_document
from fracturax.datasets import DATASETS
from fracturax.models.catalog import NETWORKS
from fracturax.training.fusion_recipe import is_fusion_recipe
from fracturax.training.recipe import load_recipe
from fracturax.training.segment_recipe import is_segmenter_recipe
from fracturax.training.volume_recipe import is_volume_recipe

RECIPES = [
    path
    for path in sorted((Path(__file__).parents[3] / "recipes").glob("*.toml"))
    if not (is_segmenter_recipe(path) or is_volume_recipe(path) or is_fusion_recipe(path))
]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_published_recipe_loads_and_names_what_there_is(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert recipe.data.dataset in DATASETS
    assert recipe.network.name in NETWORKS


def test_there_are_recipes() -> None:
    assert {"xray", "peer-mobilenet"} <= {path.stem for path in RECIPES}


CLOSER = """
[closer.network]
name = "xray"
backbone = "mobilenet_v2_fine"
[closer.optimizer]
epochs = 1
"""
HEAD = 'name = "a"\n[data]\ndataset = "fracatlas"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[network]\nname = 'xray'\n[plan]\nrows = 100\n", "multiples of 32"),
        ("folds = 1\n[network]\nname = 'xray'\n", "two folds"),
        ("[network]\nname = 'xray'\n[optimizer]\nfractured_share = 1.0\n", "fractured_share"),
        ("[network]\nname = 'xray'\n[optimizer]\nlerning_rate = 1.0\n", "'learning_rate'"),
        ("[network]\nname = 'xray'\n[optimizer]\nprecision = 'fp8'\n", "one of"),
        ("[network]\nname = 'xray'\n[augmentation]\nmirrored = 1\n", "'mirror'"),
        ("", "lacks a key; got no network"),
        ("[network]\nname = 'classifier'\n" + CLOSER, "two networks that find boxes"),
        ("[network]\nname = 'xray'\n" + CLOSER + "[closer.window]\nsize = 100\n", "multiple of 16"),
    ],
)
def test_a_recipe_that_cannot_work_is_a_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(HEAD + text)
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    assert words in str(caught.value)


def test_the_shipped_recipe_has_the_hash_it_had_before_steps_and_later_augmentations() -> None:
    recipe = load_recipe(Path(__file__).parents[3] / "recipes" / "xray.toml")
    assert recipe.closer is not None
    before = replace(recipe, second=None, harden=None, closer=replace(recipe.closer, widths=(1.0,)))
    assert sha256_of_document(before.as_document()) == (
        "1df36124d490cdcfea0df833d4d4f6967bff2d2c2d4800131408d89150a6a2f3"
    )


def test_a_second_opinion_is_shown_films_augmented_its_own_way_or_like_the_first(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.toml"
    text = (
        HEAD + "[network]\nname = 'xray'\n[augmentation]\nhalf_turn = 0.25\n"
        "[second.network]\nname = 'classifier'\n"
    )
    path.write_text(text)
    alike = load_recipe(path)
    path.write_text(text + "[second.augmentation]\nrecompression = 0.3\n")
    own = load_recipe(path)
    for recipe, expected in ((alike, (0.25, 0.0)), (own, (0.0, 0.3))):
        shown = recipe.second_stages()[""].augmentation
        assert (shown.half_turn, shown.recompression) == expected
        assert recipe.augmentation.half_turn == 0.25
    assert own.as_document()["second"]["augmentation"]["recompression"] == 0.3
    assert sha256_of_document(own.as_document()) != sha256_of_document(alike.as_document())


def test_both_networks_of_the_whole_film_are_hardened_after_all_their_own_stages(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        HEAD + "[network]\nname = 'xray'\n[finish.optimizer]\nepochs = 2\n"
        "[harden.optimizer]\nepochs = 3\n[harden.augmentation]\nnoise = 0.2\n"
        "[harden.blanking]\nfractures = 0.25\n"
        "[second.network]\nname = 'classifier'\n" + CLOSER
    )
    recipe = load_recipe(path)
    assert list(recipe.stages()) == ["", "finish", "harden"]
    assert list(recipe.second_stages()) == ["", "harden"]
    for stages in (recipe.stages(), recipe.second_stages()):
        *before, last = stages.values()
        assert (last.optimizer.epochs, last.augmentation.noise) == (3, 0.2)
        assert last.blanking.fractures == 0.25
        assert not any(stage.blanking.is_on for stage in before)
        assert len({sha256_of_document(one.as_document()) for one in stages.values()}) == len(
            stages
        )
    closer = recipe.closer_stage()
    assert closer is not None
    assert not closer.blanking.is_on
    assert closer.augmentation == recipe.augmentation


def test_how_windows_are_read_changes_no_training(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    text = HEAD + "[network]\nname = 'xray'\n[closer]\nwidths = [1.0]\n" + CLOSER
    path.write_text(text)
    alike = load_recipe(path)
    path.write_text(text.replace("[1.0]", "[0.9, 1.1]"))
    wider = load_recipe(path)
    assert wider.closer_stage() == alike.closer_stage()
    assert "widths" not in alike.as_document()["closer"]
    assert wider.as_document()["closer"]["widths"] == (0.9, 1.1)
    for wrong in ("[]", "[0.9, 0.0]"):
        path.write_text(text.replace("[1.0]", wrong))
        with pytest.raises(ConfigError, match="width"):
            load_recipe(path)


def test_a_recipe_names_steps_as_tables(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\n[data]\ndataset = "fracatlas"\n[network]\nname = "xray"\n'
        '[[plan.steps]]\nname = "clahe"\nparameters = { clip_limit = 3, tiles = 4 }\n'
        '[[plan.steps]]\nname = "crop_border"\n'
    )
    recipe = load_recipe(path)
    assert [step.name for step in recipe.plan.steps] == ["clahe", "crop_border"]
    assert recipe.as_document()["plan"]["steps"][0]["parameters"]["tiles"] == 4
