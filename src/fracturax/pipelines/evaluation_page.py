"""From the numbers of an evaluation to its page, its figures and its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from fracturax.core.errors import ConfigError
from fracturax.core.prediction import STATUSES
from fracturax.evaluation.bands import BandedCurve
from fracturax.evaluation.result import Evaluation, Row
from fracturax.evaluation.subgroups import SubgroupAnalysis
from fracturax.pipelines.table_report import Point, TableReport
from fracturax.reporting.evaluation_page import EvaluationDocument, PageFigure, evaluation_page
from fracturax.reporting.figures import (
    PAGE_MM,
    Curve,
    ForestRow,
    Mark,
    draw_confusion,
    draw_decision_curve,
    draw_forest,
    draw_froc,
    draw_precision_recall,
    draw_reliability,
    draw_roc,
    draw_score_distributions,
    write_figure,
)
from fracturax.reporting.number_table import (
    Number,
    NumberTable,
    metric_words,
    tables_csv,
    tables_latex,
    tables_markdown,
)

_NO_BOXES = (
    "localization (FROC, AFROC, mAP)",
    "there are no boxes; give a table of them (--boxes), or evaluate a bundle on a data set whose "
    "fractures are marked",
)
_NO_CURVE = ("FROC curve, AFROC", "of the boxes only the numbers were kept")
_GIVEN = "answer: "


def write_evaluation(report: TableReport, out: Path) -> tuple[Path, ...]:
    """Write the page, each figure as SVG and PNG, and the numbers as CSV, LaTeX and Markdown.

    Args:
        report: What was computed.
        out: Folder; it is made where it is missing, and files of these names are replaced.

    Returns:
        The files, the page first.

    Raises:
        ConfigError: If the folder cannot be written to.
    """
    document = evaluation_document(report)
    tables = (*document.points, *document.tables)
    files = {
        "evaluation.html": evaluation_page(document),
        "numbers.csv": tables_csv(tables),
        "numbers.md": tables_markdown(tables),
        "numbers.tex": tables_latex(tables, caption=f"{document.subject}. {document.lead}"),
    }
    paths = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            path = out / name
            path.write_text(text, encoding="utf-8", newline="\n")
            paths.append(path)
        for one in document.figures:
            path = out / f"{one.name}.svg"
            path.write_bytes(one.svg)
            paths += [path, write_figure(one.figure, path.with_suffix(".png"))]
    except OSError as error:
        raise ConfigError(
            "the evaluation cannot be written there",
            got=error.strerror or type(error).__name__,
            cure="name a folder that you may write to",
        ) from error
    return tuple(paths)


def evaluation_document(report: TableReport) -> EvaluationDocument:
    """Return what the page of an evaluation says."""
    counts = report.counts
    auroc = report.discrimination["auroc"]
    unit = counts.metrics[0]
    patients = f" of {counts['patients'].value:,.0f} patients" if unit != "patients" else ""
    lead = (
        f"{counts[unit].value:,.0f} {unit}{patients}, {counts['fractured'].value:,.0f} with a "
        f"fracture, {counts['not_assessed'].value:,.0f} not assessed."
    )
    interval = _number(auroc).interval
    return EvaluationDocument(
        subject=", ".join(report.models) or "a model",
        headline=f"AUROC {auroc.value:.3f}" + (f" (95 % interval {interval})" if interval else ""),
        lead=lead,
        highlights=_highlights(report),
        facts=_facts(report),
        figures=tuple(_figures(report)),
        points=tuple(
            NumberTable(_shown(one), _numbers(one.numbers), _where(one.where, one.thresholds))
            for one in report.points
        ),
        tables=tuple(_tables(report)),
        not_computed=(
            *((one.what, one.why) for one in report.not_computed),
            *(
                (f"{point.name}", note.rstrip("."))
                for point in report.points
                for note in point.numbers.notes
            ),
            *((_NO_BOXES,) if report.boxes is None else ()),
            *((_NO_CURVE,) if report.boxes is not None and report.boxes.froc is None else ()),
        ),
        notes=report.notes,
        software=report.software,
    )


def _highlights(report: TableReport) -> tuple[Number, ...]:
    """Return what stands on top: answers at the first point, average precision, calibration."""
    chosen = [
        _number(report.discrimination[name]) for name in ("auprc",) if name in report.discrimination
    ]
    for point in report.points[:2]:
        words = _shown(point)
        for metric in ("sensitivity", "specificity"):
            if metric in point.numbers:
                row = point.numbers[metric]
                chosen.append(replace(_number(row), label=f"{metric_words(metric)}, {words}"))
    chosen += [
        _number(report.calibration[name])
        for name in ("brier", "calibration_slope", "expected_to_observed")
        if name in report.calibration
    ]
    return tuple(chosen)


def _facts(report: TableReport) -> tuple[tuple[str, str], ...]:
    options = report.options
    digest = f", SHA-256 {report.sha256}" if report.sha256 else ""
    joined = "" if options.unit == "image" else f", images joined by the rule {options.rule}"
    return (
        ("Predictions", f"{report.source}{digest}"),
        ("Unit", f"{options.unit}{joined}"),
        ("Share of fractures", f"{report.units.table.reference.mean():.3f}"),
        ("Folds", ", ".join(one or "none" for one in np.unique(report.units.table.fold).tolist())),
        ("Subgroups by", ", ".join(options.by) or "none asked for (--by COLUMN)"),
        ("Resamples, seed", f"{options.resamples}, {options.seed}"),
        ("Software", f"FracturaX {report.software}"),
    )


def _tables(report: TableReport) -> list[NumberTable]:
    tables = [
        NumberTable("Who was evaluated", _numbers(report.counts)),
        NumberTable("Telling fractured from healthy", _numbers(report.discrimination)),
    ]
    if report.calibration.rows:
        tables.append(NumberTable("Calibration", _numbers(report.calibration)))
    if report.boxes is not None:
        tables.append(NumberTable("Finding the fracture", _numbers(report.boxes.numbers)))
    for analysis in report.subgroups:
        metric = metric_words(analysis.overall.metric)
        rows = [
            replace(_number(one.row), metric=f"{one.row.metric}[{one.name}]", label=one.name)
            for one in analysis.subgroups
            if one.row is not None
        ]
        notes = [f"{one.name}: {one.note}" for one in analysis.subgroups if one.row is None]
        test = analysis.heterogeneity
        if test is not None:
            notes.insert(0, f"Do they differ? {_p(test.p)}, {test.method}")
        tables.append(NumberTable(f"{metric} by {analysis.column}", tuple(rows), "; ".join(notes)))
    return tables


def _figures(report: TableReport) -> list[PageFigure]:
    name = report.models[0] if report.models else "model"
    figures = [
        PageFigure(
            "roc",
            "ROC curve",
            f"Shaded: {report.roc.method}, point by point. Marks: where the answers lie.",
            draw_roc(
                [_curve(name, report.roc, f"AUROC {report.discrimination['auroc'].value:.3f}")],
                marks=_marks(report),
            ),
        ),
        PageFigure(
            "precision-recall",
            "Precision and recall",
            f"Shaded: {report.precision_recall.method}, point by point. The line of chance is the "
            "share of fractures in this table; precision holds for that share only.",
            draw_precision_recall(
                [_curve(name, report.precision_recall, _area(report))],
                prevalence=float(_assessed_reference(report).mean()),
            ),
        ),
    ]
    figures += _calibration_figures(report, name)
    probability = report.units.table.probability[report.assessed]
    reference = _assessed_reference(report)
    figures.append(
        PageFigure(
            "scores",
            "What the model says",
            "Probabilities of the healthy and of the fractured, each as a share of its class.",
            draw_score_distributions(
                {"Healthy": probability[reference == 0], "Fractured": probability[reference == 1]}
            ),
        )
    )
    if any(point.name.startswith(_GIVEN) for point in report.points):
        figures.append(_confusion(report))
    if report.boxes is not None and report.boxes.froc is not None:
        found = report.boxes.froc
        curve = Curve(name, found.false_positives, found.sensitivity)
        figures.append(
            PageFigure(
                "froc",
                "FROC curve",
                "Fractures found against false boxes an image; a box counts at an overlap (IoU) "
                "of 0.5 or more.",
                draw_froc([curve]),
            )
        )
    for metric in dict.fromkeys(one.overall.metric for one in report.subgroups):
        analyses = [one for one in report.subgroups if one.overall.metric == metric]
        figures.append(_forest(metric, analyses))
    return figures


def _confusion(report: TableReport) -> PageFigure:
    counts = report.counts
    unit = counts.metrics[0]
    shown = [place for place in range(len(STATUSES)) if report.answers[:, place].any()]
    return PageFigure(
        "confusion",
        "Answers by reference",
        f"Counts, and the share of each row, of all {counts[unit].value:,.0f} {unit}.",
        draw_confusion(
            report.answers[:, shown],
            ("Healthy", "Fractured"),
            answers=[STATUSES[place].replace("_", " ") for place in shown],
        ),
    )


def _calibration_figures(report: TableReport, name: str) -> list[PageFigure]:
    figures = []
    if report.reliability is not None:
        curve = report.reliability
        low, high = np.minimum(curve.low, curve.share), np.maximum(curve.high, curve.share)
        said = [
            f"{metric_words(metric).lower()} {_number(report.calibration[metric]).shown}"
            for metric in ("calibration_slope", "calibration_intercept")
            if metric in report.calibration
        ]
        figures.append(
            PageFigure(
                "reliability",
                "Reliability",
                f"Observed share against probability in {curve.count.size} bins of equal count; "
                "bars: 95 % interval by Wilson, patients kept together. Below: how often each "
                "probability is said." + (f" On the whole: {', '.join(said)}." if said else ""),
                draw_reliability(
                    Curve("bins, 95 % interval", curve.probability, curve.share, low, high),
                    report.units.table.probability[report.assessed],
                ),
            )
        )
    if report.decision is not None:
        decision = report.decision
        figures.append(
            PageFigure(
                "decision",
                "Decision curve",
                f"Net benefit in true positives a case. Shaded: {decision.method}, threshold by "
                "threshold. The model is worth acting on where it lies above both other lines.",
                draw_decision_curve(
                    [Curve(name, decision.thresholds, decision.model, decision.low, decision.high)],
                    treat_all=Curve("Treat all", decision.thresholds, decision.treat_all),
                ),
            )
        )
    return figures


def _forest(metric: str, analyses: list[SubgroupAnalysis]) -> PageFigure:
    rows = []
    tests = []
    for analysis in analyses:
        for place, one in enumerate(analysis.subgroups):
            heading = analysis.column if place == 0 else ""
            if one.row is None:
                rows.append(ForestRow(one.name, None, n=one.n, heading=heading, note="too few"))
            else:
                rows.append(
                    ForestRow(
                        one.name, one.row.value, one.row.low, one.row.high, one.row.n, heading
                    )
                )
        if analysis.heterogeneity is not None:
            tests.append(f"{analysis.column} {_p(analysis.heterogeneity.p)}")
    whole = analyses[0].overall
    words = metric_words(metric)
    method = f"Intervals: {whole.method}."
    differ = f" Test that all are alike (Cochran's Q): {', '.join(tests)}." if tests else ""
    return PageFigure(
        f"forest-{metric}",
        f"{words} in subgroups",
        method + differ,
        draw_forest(
            rows,
            metric=words,
            whole=ForestRow("All", whole.value, whole.low, whole.high, whole.n),
            width_mm=PAGE_MM,
        ),
        is_wide=True,
    )


def _marks(report: TableReport) -> list[Mark]:
    """Return the answers as given, or, where there are none, the other points."""
    given = [point for point in report.points if point.name.startswith(_GIVEN)]
    return [
        Mark(
            _shown(point),
            1 - point.numbers["specificity"].value,
            point.numbers["sensitivity"].value,
        )
        for point in given or report.points
        if "specificity" in point.numbers and "sensitivity" in point.numbers
    ]


def _curve(name: str, curve: BandedCurve, note: str) -> Curve:
    return Curve(name, curve.x, curve.y, curve.low, curve.high, note=note)


def _area(report: TableReport) -> str:
    if "auprc" not in report.discrimination:
        return ""
    return f"AUPRC {report.discrimination['auprc'].value:.3f}"


def _assessed_reference(report: TableReport) -> np.ndarray:
    return report.units.table.reference[report.assessed]


def _shown(point: Point) -> str:
    return point.name.replace(">=", "≥")


def _where(where: str, thresholds: Mapping[str, float]) -> str:
    if not thresholds or "" in thresholds:
        return where
    listed = ", ".join(f"{cut:.4g} in fold {fold}" for fold, cut in thresholds.items())
    return f"{where}: {listed}"


def _numbers(evaluation: Evaluation) -> tuple[Number, ...]:
    return tuple(_number(row) for row in evaluation.rows)


def _number(row: Row) -> Number:
    return Number(row.metric, row.value, row.low, row.high, row.n, row.method)


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
