"""Stability of features: classes of known truth, and the command line on drawn films and CTs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from fracturax.cli.app import app
from fracturax.core.errors import DataError, edge_code
from fracturax.core.image import Radiograph
from fracturax.evaluation.intraclass import intraclass_correlation
from fracturax.evaluation.result import Row
from fracturax.pipelines.preprocess import write_png
from fracturax.pipelines.radiomics_stability import (
    CLASSES,
    FeatureStability,
    measure_stability,
    stability_of,
)
from fracturax.radiomics import Perturbation, PerturbedFeatures, RadiomicsPlan

CHANGES = tuple(Perturbation("shift", amount) for amount in range(1, 8))
FAST = RadiomicsPlan(("firstorder",))


def measured(values: np.ndarray, names: tuple[str, ...], plan: str = "") -> list[PerturbedFeatures]:
    """Regions from values of shape (regions, readings, features)."""
    return [PerturbedFeatures(names, one, CHANGES, plan) for one in values]


def test_classes_of_features_whose_truth_is_known() -> None:
    generator = np.random.default_rng(0)
    regions, readings = 200, 1 + len(CHANGES)
    level = generator.normal(size=(regions, 1))
    noise = generator.normal(size=(3, regions, readings))
    truth = {
        "a_never_changes": np.repeat(level, readings, axis=1),
        "b_icc_0.96": level + noise[0] * (1 / 0.96 - 1) ** 0.5,
        "c_icc_0.83": level + noise[1] * (1 / 0.83 - 1) ** 0.5,
        "d_icc_0.62": level + noise[2] * (1 / 0.62 - 1) ** 0.5,
        "e_noise": generator.normal(size=(regions, readings)),
        "f_one_value": np.full((regions, readings), 7.0),
    }
    found = stability_of(measured(np.stack(list(truth.values()), axis=2), tuple(truth)))
    told = {one.name: one.stability_class for one in found.features}
    expected = ("excellent", "excellent", "good", "moderate", "poor", "undefined")
    assert told == dict(zip(truth, expected, strict=True))
    never, *_, noisy, one_value = (one.correlation for one in found.features)
    assert never is not None
    assert (never.value, never.low, never.high) == (1, 1, 1)
    assert noisy is not None
    assert abs(noisy.value) < 0.05
    assert one_value is None
    assert tuple(found.counts().values()) == (2, 1, 1, 1, 1)
    assert found.stable_names() == tuple(truth)[:3]
    assert found.stable_names(least="excellent") == tuple(truth)[:2]


def test_the_correlation_is_that_of_the_feature_over_regions_and_readings() -> None:
    values = np.random.default_rng(1).normal(size=(5, 8, 2)).cumsum(axis=0)
    found = stability_of(measured(values, ("one", "two")))
    assert found.features[1].correlation == intraclass_correlation(values[:, :, 1])


@pytest.mark.parametrize(
    ("low", "name"), [(0.9, "excellent"), (0.8999, "good"), (0.75, "good"), (0.5, "moderate"),
                      (0.4999, "poor"), (-0.2, "poor")]
)  # fmt: skip
def test_the_lower_end_tells_the_class(low, name) -> None:
    assert FeatureStability("x", Row("ICC(1,1)", 0.95, low, 0.99, 9, "")).stability_class == name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one[:1], "two regions or more; got 1"),
        (lambda one: [*one, *measured(np.ones((1, 8, 1)), ("other",))], "not the same features"),
        (lambda one: [*one, *measured(np.ones((1, 8, 1)), ("x",), "other")], "different ways"),
    ],
)
def test_regions_that_do_not_belong_together_are_refused(change, words) -> None:
    regions = measured(np.arange(16.0).reshape(2, 8, 1), ("x",))
    with pytest.raises(DataError, match=words):
        stability_of(change(regions))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film and a CT with five blocks, each brighter than the one before, on a textured ground."""
    folder = tmp_path_factory.mktemp("stability")
    generator = np.random.default_rng(0)
    labels = np.zeros((24, 120), np.uint8)
    for number in range(5):
        labels[6:18, 24 * number + 6 : 24 * number + 18] = number + 1
    texture = gaussian_filter(generator.standard_normal(labels.shape), 1)
    pixels = 0.3 + 0.1 * labels + 0.02 * texture / texture.std()
    write_png(Radiograph(np.asarray(pixels, np.float32)), folder / "film.png")
    write_png(Radiograph((labels / 5).astype(np.float32)), folder / "labels.png")
    write_png(Radiograph((labels == 1).astype(np.float32)), folder / "one.png")
    write_png(Radiograph(np.asarray(pixels, np.float32)), folder / "grey.png")
    write_png(Radiograph(np.full((220, 160), 0.4, np.float32)), folder / "blank.png")
    hu = np.repeat(100 * labels[None] + 20 * texture[None] / texture.std(), 12, axis=0)
    deep = np.repeat(labels[None], 12, axis=0)
    deep[[0, 1, 10, 11]] = 0
    for name, array in (("ct", hu.astype(np.int16)), ("labels", deep)):
        nibabel.save(nibabel.Nifti1Image(array.T, np.diag([0.8, 0.8, 1.0, 1.0])),
                     folder / f"{name}.nii.gz")  # fmt: skip
    (folder / "plan.json").write_text('{"families": ["firstorder"]}')
    return folder


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    given = [str(folder / one) if "." in one else one for one in arguments]
    result = CliRunner().invoke(
        app, ["radiomics", *given, "--stability", "--plan", str(folder / "plan.json")]
    )
    error = result.exception
    code = edge_code(error).exit_code if isinstance(error, DataError) else result.exit_code
    return code, result.stdout, str(error) if error else result.stderr


@pytest.mark.parametrize(
    ("image", "labels", "changes"),
    [("film.png", "labels.png", 11), ("ct.nii.gz", "labels.nii.gz", 13)],
)
def test_every_value_of_a_mask_is_a_region(folder, tmp_path, image, labels, changes) -> None:
    code, out, _ = run(folder, image, "--mask", labels, "--json", "--out", f"{tmp_path}/out.csv")
    assert code == 0
    document = json.loads(out)
    assert document["regions"] == 5
    assert len(document["perturbations"]) == changes
    assert sum(document["counts"].values()) == len(document["features"])
    # Regions differ in brightness by far more than any shift could change; in skewness not at all.
    assert document["features"]["original_firstorder_Mean"]["class"] == "excellent"
    assert document["features"]["original_firstorder_Skewness"]["class"] == "poor"
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = {row["feature"]: row for row in csv.DictReader(file)}
    assert rows.keys() == document["features"].keys()
    median, told = rows["original_firstorder_Median"], document["features"]
    assert float(median["low"]) == pytest.approx(
        told["original_firstorder_Median"]["low"], abs=1e-4
    )
    assert float(median["low"]) <= float(median["icc"]) <= float(median["high"])


def test_the_words_count_every_class(folder) -> None:
    code, out, said = run(folder, "film.png", "--mask", "labels.png")
    assert code == 0
    assert out == ""
    assert "18 features of 5 regions:" in said
    assert " excellent" in said


def test_the_same_seed_gives_the_same_table(folder) -> None:
    first, again, other = (
        measure_stability(
            folder / "film.png", mask=folder / "labels.png", plan=FAST, seed=seed
        ).as_csv()
        for seed in (0, 0, 1)
    )
    assert first == again != other
    assert first.splitlines()[0] == "feature,icc,low,high,class"


def test_bones_of_several_films_are_regions_and_what_has_none_is_left_out(tmp_path) -> None:
    generator = np.random.default_rng(0)
    for number, brightness in enumerate((0.65, 0.75, 0.85)):
        film = np.full((220, 160), 0.05)
        film[10:210, 40:120] = 0.3  # a limb, and a shaft in it
        film[10:210, 62:98] = brightness
        film[10:210, 72:88] = brightness - 0.15
        film = gaussian_filter(film, 1.5) + generator.normal(0, 0.01, film.shape)
        write_png(Radiograph(film.clip(0, 1).astype(np.float32)), tmp_path / f"{number}.png")
    write_png(Radiograph(np.full((220, 160), 0.4, np.float32)), tmp_path / "empty.png")
    found = measure_stability(tmp_path, plan=FAST)
    assert found.regions == 3
    assert [name for name, reason in found.left_out if reason] == ["empty.png"]
    told = {one.name: one.stability_class for one in found.features}
    assert told["original_firstorder_Mean"] == "excellent"
    assert CLASSES.index(told["original_firstorder_Kurtosis"]) > 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("film.png", "--mask", "one.png"), 4, "two regions or more; got 1; give a folder"),
        (("film.png", "--box", "1,2,9,9"), 1, "two regions or more; got one box"),
        (("film.png", "--mask", "grey.png"), 1, "one value a region"),
        (("film.png", "--mask", "labels.nii.gz"), 1, "the mask does not fit its image"),
        (("film.png",), 4, "two regions or more; got 1; give a folder"),
        (("blank.png",), 4, "got 0; left out: the film is blank"),
    ],
)
def test_too_few_or_wrong_regions_are_refused(folder, arguments, code, words) -> None:
    found, out, said = run(folder, *arguments)
    assert found == code
    assert out == ""
    assert words in said
