"""The model card: what a bundle is for, what it was made of, what it is worth; from artefacts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from fracturax.core.report import RESEARCH_USE_NOTICE
from fracturax.datasets import DATASETS
from fracturax.datasets.splits import DroppedCase
from fracturax.evaluation import Evaluation, Row
from fracturax.models.bundle import TURNED, Manifest
from fracturax.models.catalog import BACKBONES, NETWORKS
from fracturax.pipelines.guard import LARGEST_LOSS, holds
from fracturax.pipelines.ledger import LEDGER, Ledger

_WORDS = {
    "auroc": "AUROC",
    "sensitivity@high_sensitivity": "sensitivity, *doubt* or *fracture* counted as positive",
    "specificity@high_sensitivity": "specificity, *doubt* or *fracture* counted as positive",
    "sensitivity@high_specificity": "sensitivity, only *fracture* counted as positive",
    "specificity@high_specificity": "specificity, only *fracture* counted as positive",
    "brier_score": "Brier score",
    "expected_calibration_error": "expected calibration error",
    "map50_fractured": "mAP50, fractured films",
    "map50_95_fractured": "mAP50-95, fractured films",
    "map50_all": "mAP50, all films",
    "froc_sensitivity@0.5": "fractures found at 0.5 false boxes a film, all films",
    "froc_sensitivity@1": "fractures found at 1 false box a film, all films",
    "froc_sensitivity@2": "fractures found at 2 false boxes a film, all films",
}
_FURTHER = {
    "auprc": "AUPRC (average precision)",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
    "expected_to_observed": "expected to observed fractures",
    "afroc_area": "area below the AFROC curve",
    "wafroc_area": "area below the wAFROC curve",
}
"""Numbers of the evaluation page, which has more; a table too small for one leaves it out."""


def write_card(
    path: Path, manifest: Manifest, results: dict[str, Any], dropped: Sequence[DroppedCase]
) -> None:
    """Write the card of a bundle.

    Args:
        path: Where to.
        manifest: The bundle's manifest.
        results: The run's `evaluation.json`; where they were measured, with `scope`, what the
            scope check made of other pictures (`benchmarks/accuracy/scope.py`), and `blank`, films
            with parts blanked (`benchmarks/accuracy/blank.py`).
        dropped: What was left out of the training.

    Raises:
        KeyError: If a number the card must show is missing: no card is better than half a one.
        DataError: If a subgroup is.
    """
    rows = {row["metric"]: row for row in results["evaluation"][results["precision"]]["rows"]}
    environment = Environment(
        loader=PackageLoader("fracturax.pipelines", "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["area"] = _area
    environment.filters["interval"] = _interval
    environment.filters["bounds"] = _bounds
    text = environment.get_template("card.md.j2").render(
        manifest=manifest,
        facts=results["facts"],
        moved=dict(manifest.training),
        numbers=[(words, rows[metric]) for metric, words in _WORDS.items()],
        further=_further(results["report"]),
        ledger=Ledger.of(results["report"]["subgroups"], results["films_of_subgroups"]),
        words_of=LEDGER,
        dataset=DATASETS[results["facts"]["data"]],
        network=NETWORKS[manifest.network],
        second=(results["recipe"].get("second") or {}).get("network"),
        backbone=BACKBONES[results["recipe"]["network"]["backbone"]],
        begun=_begun(results["recipe"]["network"]["weights"]),
        notice=RESEARCH_USE_NOTICE,
        dropped=_by_reason(dropped),
        ways=_ways(results.get("guards", {})),
        read_once=results.get("read_once", 0.0),
        scope=results.get("scope"),
        blank=results.get("blank"),
        most=f"{LARGEST_LOSS['auroc']:g} of AUROC and mAP50, "
        f"{LARGEST_LOSS['sensitivity@high_sensitivity']:g} of either sensitivity",
        promises=_promises(results["guarantee"]),
        leftover=results["leftover"],
        balance=results["recipe"]["data"]["balance"],
        lift=dict(
            zip(manifest.calibration.inputs, manifest.calibration.coefficients, strict=True)
        ).get(TURNED),
        graphs=[precision for precision, _ in manifest.graphs],
    )
    path.write_text(text, encoding="utf-8")


def _ways(guards: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the table of the cheaper ways; results of an earlier version know none."""
    columns = {
        "auroc": "auroc",
        "sensitive": "sensitivity@high_sensitivity",
        "specific": "sensitivity@high_specificity",
    }
    found = []
    for name, document in guards.items():
        way = Evaluation(tuple(Row(**row) for row in document["rows"]))
        cells = {
            cell: f"{way[metric].value:+.3f} ({way[metric].low:+.3f} to {way[metric].high:+.3f})"
            for cell, metric in columns.items()
        }
        boxes = f"{way['map50_fractured'].value:+.3f}"
        said = name.replace("_", " ")
        found.append({"name": said, "boxes": boxes, "ships": holds(way), **cells})
    return found


def _begun(weights: str) -> str:
    """Say what the backbone began from; recipes call a file of weights by its name and bytes."""
    words = {"random": "random weights", "imagenet": "its library's weights for ImageNet"}
    return words.get(weights, f"pretrained weights ({weights})")


def _area(area: Mapping[str, float]) -> str:
    return f"{area['auroc']:.2f} ({area['low']:.2f} to {area['high']:.2f})"


def _interval(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "too few"
    if row["low"] is None:
        return f"{row['value']:.2f}"
    return f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def _bounds(row: Mapping[str, Any]) -> str:
    """Return an interval's ends; where all films are told right it has none."""
    return "none" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"


def _further(report: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    parts = [
        report["discrimination"],
        report["calibration"],
        report["localization"] or {"rows": ()},
    ]
    rows = {row["metric"]: row for part in parts for row in part["rows"]}
    return [(words, rows[metric]) for metric, words in _FURTHER.items() if metric in rows]


def _promises(curve: Sequence[Mapping[str, Any]]) -> dict[float, dict[float, str]]:
    """Return what a promised NPV and PPV leave in doubt, in words, by both."""
    said: dict[float, dict[float, str]] = {}
    for one in curve:
        unproven = [name for name, side in (("NPV", "low"), ("PPV", "high")) if one[side] is None]
        doubt = f"{one['doubt']:.0%}"
        said.setdefault(one["npv"], {})[one["ppv"]] = (
            f"{doubt} ({' and '.join(unproven)} not proven)" if unproven else doubt
        )
    return said


def _by_reason(dropped: Sequence[DroppedCase]) -> dict[str, list[str]]:
    """Group names by reason; what a reason says of one file alone (`copy of X`) is left out."""
    names: dict[str, list[str]] = {}
    for case in dropped:
        names.setdefault(re.split(r":|;| of ", case.reason)[0], []).append(case.name)
    return dict(sorted(names.items()))
