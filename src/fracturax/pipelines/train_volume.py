"""Train the CT stream: leave one patient out, calibrate on what was left out, train on all."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from torch import nn

from fracturax.core.errors import DataError
from fracturax.core.prediction import OperatingPoints
from fracturax.core.progress import Progress, silent
from fracturax.core.provenance import (
    begun_from,
    sha256_of_document,
    sha256_of_file,
    software_version,
)
from fracturax.evaluation import PredictionTable, fit_platt
from fracturax.models.bundle import Calibration
from fracturax.models.volume import build_volume_network
from fracturax.models.volume_bundle import (
    GRAPH,
    OUTPUTS,
    VolumeBundle,
    VolumeManifest,
)
from fracturax.pipelines.bone_points import Bones, by_bone, place_points
from fracturax.pipelines.volume_cubes import PlacedCube, patients_of, read_cubes
from fracturax.training.export import write_graph, write_halves
from fracturax.training.loop import Trained
from fracturax.training.volume import (
    CubeAnswers,
    predict_cubes,
    train_volume_network,
)
from fracturax.training.volume_recipe import VolumeRecipe

Floats = npt.NDArray[np.float64]
STEP = 24


@dataclass(frozen=True, eq=False)
class CubesOutOfFold:
    """What was answered about cubes by networks that never saw their patients.

    Args:
        cubes: The cubes.
        logits: Of a fracture in the cube, shape `(n,)`.
        peaks: Highest logit of its map, shape `(n,)`.
    """

    cubes: tuple[PlacedCube, ...]
    logits: Floats
    peaks: Floats

    @property
    def reference(self) -> npt.NDArray[np.int64]:
        """1 where a fracture lies in the cube."""
        return np.array([one.cube.label for one in self.cubes])

    @property
    def patients(self) -> npt.NDArray[np.str_]:
        """Whose each cube is."""
        return np.array([one.patient for one in self.cubes])

    def part(self, chosen: npt.NDArray[np.bool_]) -> CubesOutOfFold:
        """Return some of the cubes."""
        cubes = tuple(one for one, kept in zip(self.cubes, chosen, strict=True) if kept)
        return CubesOutOfFold(cubes, self.logits[chosen], self.peaks[chosen])

    def by_bone(self, values: Floats) -> Bones:
        """Return the bones, each with the maximum of some values over its cubes."""
        names = [(one.patient, one.bone) for one in self.cubes]
        return by_bone(names, values, self.reference)


@dataclass(frozen=True)
class FittedCubes:
    """What calibration makes of raw answers; fields of the manifest with the same names."""

    calibration: Calibration
    study_calibration: Calibration
    operating_points: OperatingPoints
    cube_operating_points: OperatingPoints

    def probabilities(self, logits: Floats) -> Floats:
        """Return the probability of a fracture in each cube."""
        return np.array([self.calibration.probability({"cube": float(one)}) for one in logits])


@dataclass(frozen=True, eq=False)
class TrainedVolume:
    """A finished training: its bundle, if one was written, and the answers out of fold."""

    bundle: VolumeBundle | None
    out_of_fold: CubesOutOfFold
    folder: Path


def train_volume(
    recipe: VolumeRecipe,
    *,
    root: Path,
    out: Path,
    bundle: Path | None = None,
    version: str = "0",
    folds: Sequence[int] | None = None,
    max_steps: int | None = None,
    progress: Progress = silent,
    show_progress: bool = True,
) -> TrainedVolume:
    """Train leaving one patient out, then on all, and write the calibrated bundle.

    For each patient `<out>/<patient>/` holds the network that never saw it and its answers about
    every cube: `features.safetensors`. A run that was stopped goes on from its last epoch.

    Args:
        recipe: What to do.
        root: Folder of the prepared pairs.
        out: Folder of the run.
        bundle: Folder for the bundle; `bundle/` in the run's if None.
        version: Version of the bundle.
        folds: Only these patients are held out, by their place in the sorted list, and no bundle is
            written.
        max_steps: Stop each training after so many steps, to try a recipe out; no bundle either.
        progress: Where to tell how far the work is.
        show_progress: Whether to draw a progress bar of each training.

    Raises:
        DataError: If the pairs cannot be read, are of one patient, or there is no such fold.
        ConfigError: If `out` holds the run of another recipe.
    """
    cubes = read_cubes(root)
    patients = patients_of(cubes)
    unknown = [fold for fold in folds or () if not 0 <= fold < len(patients)]
    if unknown:
        raise DataError("there is no such fold", got=str(unknown), cure=f"0 to {len(patients) - 1}")
    chosen = patients if folds is None else tuple(patients[fold] for fold in folds)
    out.mkdir(parents=True, exist_ok=True)
    parts = []
    for held_out in progress(chosen, "leaving one patient out"):
        kept = [one.cube for one in cubes if one.patient != held_out]
        trained = train_volume_network(
            recipe, kept, folder=out / held_out, max_steps=max_steps, show_progress=show_progress
        )
        answers = predict_cubes(trained.network, [one.cube for one in cubes], recipe.plan)
        _keep_answers(out / held_out, recipe, trained, cubes, answers)
        parts.append(_left_out(cubes, answers, held_out))
    out_of_fold = join_parts(parts)
    predictions_table(recipe.name, out_of_fold).write_csv(out / "predictions.csv")
    if folds is not None or max_steps is not None:
        return TrainedVolume(None, out_of_fold, out)
    final = train_volume_network(
        recipe, [one.cube for one in cubes], folder=out / "final", show_progress=show_progress
    )
    published = publish_volume(
        recipe,
        final,
        fit_cubes(out_of_fold),
        folder=bundle or out / "bundle",
        version=version,
        facts=_facts(recipe, root, cubes),
    )
    return TrainedVolume(published, out_of_fold, out)


def join_parts(parts: Sequence[CubesOutOfFold]) -> CubesOutOfFold:
    """Join the patients that were left out, one after the other."""
    return CubesOutOfFold(
        tuple(one for part in parts for one in part.cubes),
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.peaks for part in parts]),
    )


def fit_cubes(answers: CubesOutOfFold) -> FittedCubes:
    """Fit calibrations and choose operating points on answers out of fold.

    A cube's probability is of a set as that of the pairs, where about every fourth cube holds a
    fracture. The study's is that of its most suspicious cube: a dozen bones are too few to fit
    another. Its operating points are chosen on whole bones: below the one lies no broken bone's
    most suspicious cube, from the other on lies no unbroken bone's.

    Raises:
        DataError: If all bones are broken, or none is.
    """
    reference = answers.reference
    cube = fit_platt(answers.logits[:, None], reference)
    probability = np.asarray(cube.apply(answers.logits[:, None]))
    return FittedCubes(
        calibration=Calibration(("cube",), cube.coefficients, cube.intercept),
        study_calibration=Calibration(("peak",), (1.0,), 0.0),
        operating_points=answers.by_bone(probability).operating_points,
        cube_operating_points=place_points(reference, probability),
    )


def publish_volume(
    recipe: VolumeRecipe,
    trained: Trained,
    fitted: FittedCubes,
    *,
    folder: Path,
    version: str,
    facts: tuple[tuple[str, str], ...],
) -> VolumeBundle:
    """Write a trained network as a bundle: graph, weights, card, manifest with hashes."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    write_halves(trained.network, folder / "model.safetensors")
    side = recipe.plan.size
    example = torch.rand(2, 1, side, side, side)
    write_graph(trained.network, example, folder / GRAPH, name="volumes", outputs=OUTPUTS)
    manifest = VolumeManifest(
        name=recipe.name,
        version=version,
        volume_network=recipe.network.name,
        created=datetime.now(UTC).date().isoformat(),
        plan=recipe.plan,
        step=STEP,
        calibration=fitted.calibration,
        study_calibration=fitted.study_calibration,
        operating_points=fitted.operating_points,
        cube_operating_points=fitted.cube_operating_points,
        training=facts,
    )
    (folder / "card.md").write_text(_card(manifest), encoding="utf-8")
    return VolumeBundle.write(folder, manifest)


def predictions_table(name: str, answers: CubesOutOfFold) -> PredictionTable:
    """Return answers out of fold, each calibrated on the other patients' where there are any."""
    patients = sorted(set(answers.patients.tolist()))
    records = []
    for fold, patient in enumerate(patients):
        inside = answers.patients == patient
        own = answers.part(inside)
        probability = 1 / (1 + np.exp(-own.logits))
        others = answers.part(~inside)
        if len(set(others.reference.tolist())) == 2:
            fitted = fit_platt(others.logits[:, None], others.reference)
            probability = fitted.apply(own.logits[:, None])
        for one, value in zip(own.cubes, probability, strict=True):
            records.append(
                {
                    "case": one.cube.name,
                    "image": one.cube.name,
                    "patient_key": one.patient_key,
                    "reference": one.cube.label,
                    "probability": float(value),
                    "status": "fracture" if value >= 0.5 else "no_fracture",
                    "fold": fold,
                    "model": name,
                }
            )
    return PredictionTable.from_records(records)


def load_kept_network(folder: Path) -> nn.Module:
    """Load the network that a training which held a patient out kept.

    Args:
        folder: `<run>/<patient>`.

    Raises:
        DataError: If there is none.
    """
    try:
        facts = json.loads((folder / "features.json").read_text(encoding="utf-8"))
        name, options = facts["network"]["name"], dict(facts["network"]["options"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            "the run of the CT stream does not say its network",
            got=f"{type(error).__name__} for {folder.name}/features.json",
            cure="train it again: recipes/ct-densenet121.toml",
        ) from error
    options["weights"] = str(folder / "network.safetensors")
    return build_volume_network(name, **options).eval()


def _keep_answers(
    folder: Path,
    recipe: VolumeRecipe,
    trained: Trained,
    cubes: Sequence[PlacedCube],
    answers: CubeAnswers,
) -> None:
    write_halves(trained.network, folder / "network.safetensors")
    arrays = {"features": answers.features, "logit": answers.logits, "map": answers.maps}
    save_file(
        {name: np.ascontiguousarray(one) for name, one in arrays.items()},
        folder / "features.safetensors",
    )
    network = {"name": recipe.network.name, "options": recipe.network.options}
    facts = {
        "places": [one.cube.name for one in cubes],
        "curves": trained.curves,
        "network": network,
    }
    (folder / "features.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


def _left_out(cubes: Sequence[PlacedCube], answers: CubeAnswers, patient: str) -> CubesOutOfFold:
    inside = np.array([one.patient == patient for one in cubes])
    return CubesOutOfFold(
        tuple(one for one in cubes if one.patient == patient),
        answers.logits[inside].astype(np.float64),
        answers.maps.reshape(len(inside), -1).max(axis=1)[inside].astype(np.float64),
    )


def _facts(
    recipe: VolumeRecipe, root: Path, cubes: Sequence[PlacedCube]
) -> tuple[tuple[str, str], ...]:
    broken = sum(one.cube.label for one in cubes)
    return (
        ("data", "prepared pairs of pelvic CT"),
        ("cubes", str(len(cubes))),
        ("cubes_with_fracture", str(broken)),
        ("patients", str(len(patients_of(cubes)))),
        ("seed", str(recipe.seed)),
        ("begun_from", begun_from(recipe.network.weights)),
        ("recipe_sha256", sha256_of_document(recipe.as_document())),
        ("pairs_sha256", sha256_of_file(root / "pairs.csv")),
        ("software", software_version()),
    )


def _card(manifest: VolumeManifest) -> str:
    facts = "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in manifest.training)
    people = dict(manifest.training).get("patients", "a few")
    side = math.floor(manifest.plan.size * manifest.plan.spacing_mm)
    return (
        f"# {manifest.name}, version {manifest.version}\n\n"
        f"A network of the CT stream ({manifest.volume_network}). It looks at cubes of {side} mm "
        "about the bones of a CT and says how probable a fracture in each is.\n\n"
        f"It was trained on hip bones and sacra of {people} patients with a pelvic fracture. In "
        "their data all but these bones had been cut away; soft tissue was drawn in. It has never "
        "seen a spine, a femur, metal, a healthy patient, or another part of the body. Numbers "
        "from so few patients are a proof that the system works, not that it is clinically "
        "useful. The "
        "probability of a study is that of its most suspicious cube; it is fitted on cubes of "
        "which every fourth held a fracture, so that it is too high where fractures are rarer.\n\n"
        "For research use only. It is no medical device.\n\n"
        f"{facts}\n"
    )
