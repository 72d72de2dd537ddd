"""A fusion from synthetic pairs to a bundle that is read: out of fold, calibrated, reproducible."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from fracturax.core.errors import DataError
from fracturax.datasets.pairs import open_pairs
from fracturax.models.fused_bundle import FusedBundle
from fracturax.models.fused_runtime import FusedNetwork, Streams
from fracturax.pipelines.describe_pairs import CT_TABLE, describe_pairs
from fracturax.pipelines.fusion_calibration import PREVALENCE, calibrated, even_weights, fit_logit
from fracturax.pipelines.fusion_streams import read_radiomics, read_streams, store_crops
from fracturax.pipelines.train_fusion import FusionOutOfFold, run_fusion
from fracturax.pipelines.train_volume import train_volume
from fracturax.training.fusion import answer_table
from fracturax.training.fusion_recipe import FusionDesign, FusionPace, FusionRecipe
from fracturax.training.volume_recipe import VolumeNetworkRecipe, VolumePace, VolumeRecipe
from tiny_pairs import write_pairs

CT = VolumeRecipe(
    name="ct-densenet121",
    network=VolumeNetworkRecipe("densenet121_3d", growth_rate=4, init_features=8),
    optimizer=VolumePace(batch_size=4, epochs=1, precision="32-true"),
)
RECIPE = FusionRecipe(
    name="tiny",
    network=FusionDesign("fusion", "cyclegan", width=16),
    optimizer=FusionPace(epochs=2, batch_size=8, patience=0),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs with their radiomics, and the CT stream's run beside them."""
    folder = tmp_path_factory.mktemp("fusion")
    write_pairs(folder / "pairs")
    describe_pairs(folder / "pairs")
    train_volume(CT, root=folder / "pairs", out=folder / "runs" / CT.name, show_progress=False)
    return folder


@pytest.fixture(scope="module")
def run(root: Path) -> FusionOutOfFold:
    return run_fusion(
        RECIPE,
        root=root / "pairs",
        out=root / "runs" / "tiny",
        weights="random",
        volumes=root / "runs" / CT.name / "bundle",
    )


def test_every_case_and_subset_has_an_answer_out_of_fold(root: Path, run: FusionOutOfFold) -> None:
    with (root / "runs" / "tiny" / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 36 * 15
    assert {row["streams"] for row in rows} >= {"xray", "xray+ct+radiomics_film+radiomics_ct"}
    assert all(0 <= float(row["probability"]) <= 1 for row in rows)
    # Out of fold: what stands there is what the network without the patient says.
    table, _ = read_streams(run.data, run.crops, "002", root / "runs")
    own = table.group == 1
    said = answer_table(run.trained["002"].network, table.part(own), ("ct",))
    logits = (said.logits[:, 1] - said.logits[:, 0]).numpy()
    assert np.allclose(run.logits["ct",][own], logits, atol=1e-5)


def test_the_bundle_reads_every_subset(run: FusionOutOfFold) -> None:
    assert run.bundle is not None
    bundle = FusedBundle.load(run.bundle.folder)
    assert "3 patients" in bundle.card and "Research use only" in bundle.card
    assert len(bundle.manifest.calibrations) == 15
    assert dict(bundle.manifest.training)["places"] == "18"
    network = FusedNetwork(bundle, threads=1)
    crop = run.crops.pixels[:2, 8:120, 8:120]
    film = network.film(np.ascontiguousarray(crop))
    streams = Streams({"xray": film.features}, film.map, np.zeros((2, 6, 6, 6), np.float32))
    for answer in network.answers(streams, network.fuse(streams)):
        assert answer.weights == (("xray", pytest.approx(1.0)),)
        assert answer.generated == ("ct",)  # synthetic, without a share


def test_the_same_seed_gives_the_same_answers(
    root: Path, run: FusionOutOfFold, tmp_path: Path
) -> None:
    shutil.copytree(root / "runs" / CT.name, tmp_path / CT.name)
    again = run_fusion(
        RECIPE, root=root / "pairs", out=tmp_path / "tiny", weights="random", folds=[0]
    )
    assert again.bundle is None
    own = run.crops.group == 0
    for names, logits in again.logits.items():
        assert np.array_equal(logits[own], run.logits[names][own])
        assert np.isnan(logits[~own]).all()


def test_a_patient_is_calibrated_on_the_others() -> None:
    logits = np.array([0.0, 1, 2, 3] * 3)
    label = np.array([False, True, False, True] * 3)
    label[:4] = [True, False, True, False]
    group = np.repeat([0, 1, 2], 4)
    said = calibrated(logits, label, group)
    # The others of patient 0 agree that more is worse, whatever its own labels say.
    assert (np.diff(said[:4]) > 0).all()


def test_patients_count_alike_at_one_prevalence() -> None:
    label = np.array([True] * 2 + [False] * 18 + [True] * 30 + [False] * 10)
    group = np.repeat([0, 1], [20, 40])
    weights = even_weights(label, group)
    for one in (0, 1):
        own = group == one
        assert weights[own].sum() == pytest.approx(30)
        assert weights[own & label].sum() == pytest.approx(30 * PREVALENCE)
    # Logits that say nothing, or the contrary, leave the prevalence.
    for logits in (np.zeros(60), np.where(label, -2.0, 2.0)):
        assert fit_logit(logits, label, group).probability({"logit": 1.0}) == pytest.approx(0.25)


def test_a_logit_that_does_not_carry_over_tells_nothing() -> None:
    generator = np.random.default_rng(0)
    label = np.tile([True, False, False, False], 60)
    group = np.repeat([0, 1, 2], 80)
    noise = generator.normal(size=240)
    helps = 2 * label + noise
    assert fit_logit(helps, label, group).coefficients[0] > 0.5
    # Strong in two patients, the contrary in the third: over all it still points the right way.
    turns = np.where(group == 0, -3.0, 3.0) * label + noise
    assert fit_logit(turns, label, group).coefficients == (0.0,)


def test_what_is_missing_is_said(root: Path, tmp_path: Path) -> None:
    data = open_pairs(root / "pairs")
    with pytest.raises(DataError, match="has no answers about a patient it never saw"):
        read_streams(data, store_crops(data), "001", tmp_path)
    with pytest.raises(DataError, match="no such fold"):
        run_fusion(RECIPE, root=root / "pairs", out=tmp_path / "x", folds=[7])
    table = root / "pairs" / CT_TABLE
    with pytest.raises(DataError, match="lacks a row"):
        read_radiomics(table, ["ct/nobody.safetensors"])
    spoilt = tmp_path / CT_TABLE
    spoilt.write_text("ct,a\nx,nan\n")
    with pytest.raises(DataError, match="no number"):
        read_radiomics(spoilt, ["x"])


def test_a_table_of_radiomics_has_a_row_a_place(root: Path) -> None:
    values = read_radiomics(
        root / "pairs" / CT_TABLE, [f"ct/001-{n}.safetensors" for n in range(6)]
    )
    assert values.shape == (6, 90)
    assert np.isfinite(values).all() and values.std(axis=0).max() > 0
