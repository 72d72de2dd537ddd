"""Train a segmenter: a recipe and films with masks become a tested bundle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fracturax.core.progress import Progress, silent
from fracturax.core.provenance import (
    begun_from,
    sha256_of_document,
    sha256_of_file,
    software_version,
)
from fracturax.datasets.copies import find_copies
from fracturax.datasets.fingerprints import fingerprint
from fracturax.datasets.masks import MaskedFilm
from fracturax.datasets.passport import Split, check_no_leak
from fracturax.datasets.registry import MASKED_FILMS
from fracturax.datasets.splits import join_groups, share_groups
from fracturax.evaluation import Evaluation
from fracturax.evaluation.segmentation import MaskScores, evaluate_masks, measure_masks
from fracturax.models.segmenter import OUTPUTS, Segmenter, SegmenterManifest, write_segmenter
from fracturax.pipelines.train import keep_split
from fracturax.training.curves import draw_curves
from fracturax.training.export import export_network
from fracturax.training.loop import Trained
from fracturax.training.segment import StoredMask, store_masked, train_segmenter_network
from fracturax.training.segment_recipe import SegmenterRecipe

_TOLERANCE_PX = 2.0


@dataclass(frozen=True, eq=False)
class MaskedData:
    """Films with masks, the same at training size, and how they are split."""

    films: tuple[MaskedFilm, ...]
    stored: tuple[StoredMask, ...]
    split: Split

    def part(self, name: str) -> tuple[list[MaskedFilm], list[StoredMask]]:
        """Return the films of a part: `train`, `valid` or `test`."""
        chosen = [
            index for index, film in enumerate(self.films) if self.split.part(film.name) == name
        ]
        return [self.films[index] for index in chosen], [self.stored[index] for index in chosen]


@dataclass(frozen=True, eq=False)
class TrainedSegmenter:
    """A finished training: what reads films, where it lies, and how it did on held-out patients."""

    segmenter: Segmenter
    bundle: Path
    data: MaskedData
    evaluation: Evaluation


def train_segmenter(
    recipe: SegmenterRecipe,
    *,
    root: Path,
    out: Path,
    bundle: Path | None = None,
    version: str = "0",
    split: Split | None = None,
    max_steps: int | None = None,
    progress: Progress = silent,
    show_progress: bool = True,
) -> TrainedSegmenter:
    """Train a segmenter and test it on patients it never saw; a stopped run goes on.

    Args:
        recipe: What to do.
        root: Folder of the films and masks.
        out: Folder of the run: checkpoints, split, curves, evaluation.
        bundle: Folder for the bundle; `bundle/` in the run's if None.
        version: Version of the bundle.
        split: A split made before, with parts `train`, `valid` and `test`; else the recipe's.
        max_steps: Stop after so many steps, to try a recipe out.
        progress: Where to tell how far the work is.
        show_progress: Whether to draw a progress bar of the training.

    Raises:
        DataError: If films and masks cannot be read or are of too few patients.
        LeakageError: If the split tears a patient apart, or changed since the run began.
        ConfigError: If `out` holds the run of another recipe.
    """
    data = read_masked_films(recipe, root=root, split=split, progress=progress)
    out.mkdir(parents=True, exist_ok=True)
    keep_split(out / "split.json", data.split)
    trained = train_segmenter_network(
        recipe,
        data.part("train")[1],
        data.part("valid")[1],
        folder=out / "network",
        max_steps=max_steps,
        show_progress=show_progress,
    )
    draw_curves({recipe.name: trained.curves}, out / "curves.png")
    facts = training_facts(recipe, data)
    place = bundle or out / "bundle"
    segmenter = publish_segmenter(recipe, trained, folder=place, version=version, facts=facts)
    films = data.part("test")[0]
    scores = score_films(segmenter, films, progress=progress)
    evaluation = evaluate_by_patient(scores, films, seed=recipe.seed)
    document = {
        "recipe": recipe.as_document(),
        "facts": dict(facts),
        "evaluation": evaluation.as_document(),
        "curves": trained.curves,
    }
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    (out / "evaluation.json").write_text(text, encoding="utf-8")
    return TrainedSegmenter(segmenter, place, data, evaluation)


def read_masked_films(
    recipe: SegmenterRecipe, *, root: Path, split: Split | None = None, progress: Progress = silent
) -> MaskedData:
    """Read all films and masks once; split them by patient, copies kept together.

    Args:
        recipe: Which layout, and the shares of the split unless one is given.
        root: Folder of the films and masks.
        split: A split made before.
        progress: Where to tell how far the work is.

    Raises:
        DataError: If a film or mask cannot be used, or a split is of other films.
        LeakageError: If a split tears films apart that belong together.
    """
    films: tuple[MaskedFilm, ...] = MASKED_FILMS.load(recipe.data.dataset)(root)
    stored, prints = [], []
    for masked in progress(films, "reading films and masks"):
        film, mask = masked.read()
        stored.append(store_masked(film, mask, recipe.plan))
        prints.append(fingerprint(np.round(film.pixels * 255).astype(np.uint8)))
    pairs = [(pair.one, pair.other) for pair in find_copies(prints)]
    groups = join_groups([film.patient_key for film in films], pairs)
    hashes = {film.name: sha256_of_file(film.path) for film in films}
    names = [film.name for film in films]
    if split is None:
        made = share_groups(names, groups, shares=recipe.data.shares, seed=recipe.seed)
        split = replace(made, hashes=hashes)
    split.check_films(hashes)
    check_no_leak(split, dict(zip(names, groups, strict=True)))
    return MaskedData(films, tuple(stored), split)


def publish_segmenter(
    recipe: SegmenterRecipe,
    trained: Trained,
    *,
    folder: Path,
    version: str,
    facts: tuple[tuple[str, str], ...],
) -> Segmenter:
    """Write a trained network as a bundle: graph, weights, card, manifest with hashes."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = recipe.plan
    export_network(trained.network, (plan.rows, plan.columns), folder, outputs=OUTPUTS)
    manifest = SegmenterManifest(
        name=recipe.name,
        version=version,
        network=recipe.network.name,
        encoder=recipe.network.encoder,
        weights=begun_from(recipe.network.weights),
        structures=recipe.data.structures,
        created=datetime.now(UTC).date().isoformat(),
        plan=plan,
        training=facts,
    )
    (folder / "card.md").write_text(_card(manifest), encoding="utf-8")
    return write_segmenter(folder, manifest)


def score_films(
    segmenter: Segmenter, films: Sequence[MaskedFilm], *, progress: Progress = silent
) -> list[MaskScores]:
    """Compare a segmenter's masks with those of films, in the films' own pixels.

    Distances are in pixels: a film without a spacing has no millimetres.
    """
    scores = []
    for masked in progress(films, "testing"):
        film, mask = masked.read()
        found = segmenter.segment(film)
        scores.append(
            measure_masks(
                found,
                mask,
                spacing_mm=(1.0, 1.0),
                tolerance_mm=_TOLERANCE_PX,
                empty="best_or_worst",
            )
        )
    return scores


def evaluate_by_patient(
    scores: Sequence[MaskScores], films: Sequence[MaskedFilm], *, seed: int
) -> Evaluation:
    """Put the scores together, with intervals from resampled patients.

    Of a single patient films are resampled: such an interval says nothing about other patients.
    """
    patients = [film.patient_key for film in films]
    groups = patients if len(set(patients)) > 1 else [film.name for film in films]
    return evaluate_masks(scores, groups, generator=np.random.default_rng(seed))


def training_facts(recipe: SegmenterRecipe, data: MaskedData) -> tuple[tuple[str, str], ...]:
    """Return what the manifest says of the training."""
    counts = {name: len(data.part(name)[0]) for name in data.split.parts}
    patients = len({film.patient_key for film in data.films})
    return (
        ("data", recipe.data.dataset),
        *((f"films_{name}", str(count)) for name, count in counts.items()),
        ("patients", str(patients)),
        ("seed", str(recipe.seed)),
        ("recipe_sha256", sha256_of_document(recipe.as_document())),
        ("split_sha256", data.split.sha256),
        ("software", software_version()),
    )


def _card(manifest: SegmenterManifest) -> str:
    facts = "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in manifest.training)
    return (
        f"# {manifest.name}, version {manifest.version}\n\n"
        f"U-Net on {manifest.encoder}, begun from: {manifest.weights}. Marks "
        f"{', '.join(manifest.structures)} in a radiograph.\n\n"
        "A mask is as good as those it was trained on. The films that come with the project's "
        "benchmark are simulated: their masks are bones of CT projected onto the film, not what "
        "a reader outlined. It is no medical device.\n\n"
        f"{facts}\n"
    )
