"""Training of the CT stream on tiny synthetic cubes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from fracturax.core.errors import ConfigError, DataError
from fracturax.models.volume_bundle import VolumeBundle
from fracturax.pipelines.train_volume import train_volume
from fracturax.pipelines.volume_cubes import read_cubes
from fracturax.training.volume import StoredCube, change_cube, train_volume_network
from fracturax.training.volume_recipe import (
    CubeAugmentation,
    VolumeNetworkRecipe,
    VolumePace,
    VolumeRecipe,
    load_volume_recipe,
)
from fracturax.transforms.volume_plan import VolumePlan
from tiny_pairs import seal, synthetic_cube, write_pairs

RECIPES = Path(__file__).parents[3] / "recipes"
TINY = VolumeRecipe(
    name="tiny",
    network=VolumeNetworkRecipe("densenet121_3d", growth_rate=4, init_features=8),
    plan=VolumePlan(size=32),
    optimizer=VolumePace(batch_size=4, epochs=1, precision="32-true"),
)


def test_a_change_follows_its_seed_and_the_label_follows_the_cube() -> None:
    cube = synthetic_cube("a", is_broken=True, seed=0)
    one, again, other = (change_cube(cube, TINY, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one.volume, again.volume)
    assert not np.array_equal(one.volume, other.volume)
    assert one.label == float(one.fracture.any()) == 1.0
    assert cube.hu.flags.writeable and cube.hu[20, 0, 0] > 500


def test_without_changes_a_cube_is_its_middle_through_the_window() -> None:
    still = CubeAugmentation(0, 0.0, 0.0, 0.0, 0.0, is_turned=False)
    cube = synthetic_cube("a", is_broken=False, seed=0)
    sample = change_cube(cube, replace(TINY, augmentation=still), np.random.default_rng(0))
    assert np.allclose(sample.volume, TINY.plan.window(cube.hu[4:36, 4:36, 4:36]))


def test_surface_and_bone_are_turned_alike() -> None:
    hu = np.zeros((40, 40, 40), np.int16)
    surface = np.zeros(hu.shape, np.uint8)
    hu[12, 15, 18], surface[12, 15, 18] = 1300, 1
    quiet = CubeAugmentation(shift=4, scale=0.0, offset_hu=0.0, noise_hu=0.0, blur=0.0)
    recipe = replace(TINY, augmentation=quiet)
    for seed in range(12):
        sample = change_cube(StoredCube("a", hu, surface, 1), recipe, np.random.default_rng(seed))
        assert np.argmax(sample.volume) == np.argmax(sample.fracture)


def test_a_stopped_run_goes_on_to_the_very_same_network(tmp_path: Path) -> None:
    cubes = [synthetic_cube(str(one), is_broken=bool(one % 2), seed=one) for one in range(8)]
    whole = replace(TINY, optimizer=replace(TINY.optimizer, epochs=2))

    def run(folder: Path) -> dict[str, torch.Tensor]:
        trained = train_volume_network(whole, cubes, folder=folder, show_progress=False)
        return dict(trained.network.state_dict())

    straight = run(tmp_path / "a")
    assert all(
        torch.equal(one, other)
        for one, other in zip(straight.values(), run(tmp_path / "b").values(), strict=True)
    )
    # A finished run is loaded, not repeated.
    again = run(tmp_path / "a")
    assert all(torch.equal(straight[name], again[name]) for name in straight)
    with pytest.raises(ConfigError, match="another recipe"):
        train_volume_network(TINY, cubes, folder=tmp_path / "a", show_progress=False)


def test_pairs_become_a_calibrated_bundle_with_answers_out_of_fold(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs")
    assert len(read_cubes(tmp_path / "pairs")) == 18
    trained = train_volume(TINY, root=tmp_path / "pairs", out=tmp_path / "run", show_progress=False)
    assert trained.bundle is not None
    assert VolumeBundle.load(trained.bundle.folder).sha256 == trained.bundle.sha256
    assert "3 patients" in trained.bundle.card and "research" in trained.bundle.card
    kept = load_file(tmp_path / "run" / "002" / "features.safetensors")
    assert kept["features"].shape[0] == kept["logit"].shape[0] == 18
    # Out of fold is what the network that never saw the patient said.
    inside = trained.out_of_fold.patients == "002"
    assert np.allclose(trained.out_of_fold.logits[inside], kept["logit"][6:12])
    with pytest.raises(DataError, match="no such fold"):
        train_volume(TINY, root=tmp_path / "pairs", out=tmp_path / "x", folds=[3])


def test_pairs_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no prepared pairs"):
        read_cubes(tmp_path)
    write_pairs(tmp_path / "pairs")
    table = tmp_path / "pairs" / "pairs.csv"
    table.write_text(table.read_text().replace("ct/001-0", "../ct/001-0"))
    seal(table.parent)
    with pytest.raises(DataError, match="outside the folder"):
        read_cubes(tmp_path / "pairs")


@pytest.mark.parametrize("path", sorted(RECIPES.glob("ct-*.toml")), ids=lambda path: path.stem)
def test_the_recipes_of_the_package_load(path: Path) -> None:
    assert load_volume_recipe(path).name == path.stem
