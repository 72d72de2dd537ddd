"""Calibrate: a model's thresholds are set by a site's own labelled cases, with a guarantee."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fracturax.core.anatomy import REGIONS
from fracturax.core.errors import ConfigError, DataError
from fracturax.core.prediction import Guarantee, OperatingPoints
from fracturax.core.progress import Progress, silent
from fracturax.datasets import open_dataset
from fracturax.evaluation import PredictionTable
from fracturax.evaluation.guarantee import Promise, Triage, cases_needed, prove_triage
from fracturax.models.bundle import Bundle, Manifest, write_bundle
from fracturax.models.runtime import XrayPredictor
from fracturax.pipelines.evaluate import evaluate
from fracturax.pipelines.read import make_folder
from fracturax.pipelines.table_columns import read_units


@dataclass(frozen=True, eq=False)
class Sample:
    """A site's labelled cases as a model answers about them.

    Args:
        table: The predictions.
        region: Region of each row, empty where it is not known or there are several.
        source: Where they come from, in words.
    """

    table: PredictionTable
    region: npt.NDArray[np.str_]
    source: str


@dataclass(frozen=True)
class Proof:
    """What could be proven on a sample.

    Args:
        guarantees: One over all regions, or one for each region.
        abstentions: Share of the sample that each leaves in doubt.
    """

    guarantees: tuple[Guarantee, ...]
    abstentions: tuple[float, ...]


def read_sample(
    model: XrayPredictor, cases: Path, *, source: str = "", progress: Progress = silent
) -> Sample:
    """Read a site's cases: a table of the model's predictions, or of films that it reads now.

    Args:
        model: The model that is calibrated.
        cases: CSV file: as `fracturax evaluate --table` writes it, or a table of one's own films
            with their labels.
        source: Where they come from, in words; the file's name by default.
        progress: Where to tell how far the work is.

    Raises:
        DataError: If the file cannot be read, or its column `model` does not say name and version
            of this model (`xray@2026.14`).
        LeakageError: If the model was trained on one of the films.
    """
    source = source or cases.stem
    if "probability" not in _header(cases):
        judged = evaluate(model, open_dataset("csv", root=cases), progress=progress)
        region = judged.columns.get("region", np.full(len(judged.table), ""))
        return Sample(judged.table, region, source)
    by = ("region",) if "region" in _header(cases) else ()
    units = read_units(cases, by=by)
    names = set(units.table.model.tolist())
    if names != {model.identity.label}:
        # A name without a version may be that of any; the thresholds of one prove nothing of
        # another.
        unsaid = names == {model.identity.name}
        raise DataError(
            "the table does not say which version of the model answered"
            if unsaid
            else "the predictions are not those of the model",
            got=", ".join(sorted(names)),
            cure=f"give those of {model.identity.label}, of fracturax evaluate --table",
        )
    region = units.columns.get("region", np.full(len(units.table), ""))
    return Sample(units.table, region, source)


def prove(sample: Sample, promise: Promise, *, by_region: bool = False) -> Proof:
    """Prove a promise on a sample, over all regions together or in each by itself.

    Never both at once: thresholds proven over all regions prove nothing of what is left when some
    regions have their own.

    Args:
        sample: Labelled cases; those not assessed are left out.
        promise: What is promised.
        by_region: Whether it is promised of each region. One where a side cannot be proven never
            gets that answer; its films are in doubt.

    Raises:
        DataError: If it cannot be proven over all regions together, or nothing in any region.
    """
    kept = sample.table.is_assessed
    probability, reference = sample.table.probability[kept], sample.table.reference[kept]
    region = sample.region[kept]
    everywhere = np.ones(len(region), np.bool_)
    parts = [(name, region == name) for name in REGIONS] if by_region else [(None, everywhere)]
    found: list[tuple[Guarantee, Triage]] = []
    for name, inside in parts:
        triage = prove_triage(probability[inside], reference[inside], promise)
        found.append((replace(_guarantee(triage, promise, sample.source), region=name), triage))
    is_enough = [one.ppv is not None or one.npv is not None for one, _ in found]
    if not by_region:
        is_enough = [one.ppv is not None and one.npv is not None for one, _ in found]
    if not any(is_enough):
        ill, well = cases_needed(promise)
        raise DataError(
            "the promise cannot be proven on these cases",
            got=f"{len(reference)} cases, {int(reference.sum())} fractured",
            cure=f"it takes {ill} answers of fracture and {well} of none, and more where many are "
            "wrong: add cases, or promise less",
        )
    return Proof(tuple(one for one, _ in found), tuple(one.abstention for _, one in found))


def calibrate(
    bundle: Bundle,
    sample: Sample,
    promise: Promise,
    *,
    out: Path,
    version: str,
    by_region: bool = False,
) -> tuple[Bundle, Proof]:
    """Write a new bundle of a model whose answers keep a promise on cases like a sample.

    The networks and probabilities stay; thresholds and guarantee are new, and so is the hash.

    Args:
        bundle: The model.
        sample: Labelled cases that it was not trained on.
        promise: What is promised.
        out: Folder of the new bundle; must be empty, or not be there.
        version: Version of the new bundle.
        by_region: Whether it is promised of each region by itself.

    Raises:
        ConfigError: If the folder holds something, or the version is the old one.
        DataError: If the promise cannot be proven.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError("the folder for the bundle is not empty", got=out.name, cure="another")
    if version == bundle.manifest.version:
        raise ConfigError(
            "a calibrated bundle is another version", got=version, cure="give --version-name"
        )
    proof = prove(sample, promise, by_region=by_region)
    make_folder(out)
    for name in bundle.files:
        shutil.copyfile(bundle.folder / name, out / name)
    manifest = replace(
        bundle.manifest,
        version=version,
        created=datetime.now(UTC).date().isoformat(),
        guarantees=proof.guarantees,
    )
    card = out / "card.md"
    card.write_text(_card(bundle.card, manifest, proof), encoding="utf-8")
    return write_bundle(out, manifest, bundle.scope, bundle.register), proof


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            return [name.strip().strip('"') for name in stream.readline(1 << 16).split(",")]
    except OSError as error:
        raise DataError(
            "the table of cases cannot be read", got=type(error).__name__, cure="check the path"
        ) from error


def _guarantee(triage: Triage, promise: Promise, source: str) -> Guarantee:
    return Guarantee(
        OperatingPoints(triage.low, triage.high),
        ppv=promise.ppv if triage.high < 1 else None,
        npv=promise.npv if triage.low > 0 else None,
        confidence=promise.confidence,
        cases=triage.cases,
        source=source,
    )


def _card(card: str, manifest: Manifest, proof: Proof) -> str:
    lines = [
        f"# Calibrated as version {manifest.version}, {manifest.created}",
        "",
        "Thresholds and guarantee were set on a site's own labelled cases; they come before those "
        "that the card below states. Proven by fixed-sequence testing of exact binomial tests "
        "(Learn then Test). It holds for cases drawn as the sample was, film by film.",
        "",
        "| region | cases | no fracture below | fracture from | in doubt |",
        "|---|---|---|---|---|",
        *(
            f"| {one.region or 'all together'} | {one.cases} | "
            f"{one.points.high_sensitivity:.3f} | {one.points.high_specificity:.3f} | "
            f"{abstention:.0%} |"
            for one, abstention in zip(proof.guarantees, proof.abstentions, strict=True)
        ),
        "",
        *(f"- {one.as_words()}" for one in proof.guarantees),
        "",
    ]
    return "\n".join([*lines, card])
