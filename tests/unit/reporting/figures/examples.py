"""One example of every figure, from made-up numbers."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from fracturax.reporting.figures import (
    COLUMN_MM,
    PAGE_MM,
    Curve,
    ForestRow,
    Mark,
    ReaderPoint,
    draw_afroc,
    draw_confusion,
    draw_decision_curve,
    draw_forest,
    draw_froc,
    draw_learning_curve,
    draw_precision_recall,
    draw_readers,
    draw_reliability,
    draw_roc,
    draw_score_distributions,
)


def binormal(name, separation, *, note=""):
    x = np.linspace(0, 1, 101)
    y = norm.cdf(separation + norm.ppf(x))
    half = 0.05 * np.sqrt(np.clip(y * (1 - y), 0, None)) * 2
    return Curve(name, x, y, np.clip(y - half, 0, 1), np.clip(y + half, 0, 1), note)


def precision(curve, prevalence):
    x, y = curve.points
    value = prevalence * y[1:] / (prevalence * y[1:] + (1 - prevalence) * x[1:])
    return Curve(
        curve.name, y[1:], value, np.clip(value - 0.04, 0, 1), np.clip(value + 0.04, 0, 1),
        "AP 0.87 (0.83 to 0.90)",
    )  # fmt: skip


def found(name, share, note, *, speed):
    x = np.linspace(0, 3.4, 60)
    y = share * (1 - np.exp(-speed * x - 0.25))
    return Curve(name, x, y, y - 0.04, y + 0.04, note)


def benefit(name, separation):
    at = np.linspace(0.02, 0.6, 60)
    cut = np.log(at / (1 - at)) / 1.4
    sensitivity, false = norm.sf(cut - separation + 1), norm.sf(cut + 1.2)
    y = 0.2 * sensitivity - 0.8 * false * at / (1 - at)
    return Curve(name, at, y, y - 0.012, y + 0.012)


def every_figure():
    """Each figure's name, its maker of a width, and texts that must stand in it."""
    generator = np.random.default_rng(0)
    models = [
        binormal("FracturaX", 2.2, note="AUROC 0.94 (0.92 to 0.96)"),
        binormal("MobileNetV2", 1.5, note="AUROC 0.86 (0.83 to 0.88)"),
        binormal("Radiomics", 0.9, note="AUROC 0.74 (0.70 to 0.78)"),
    ]
    x, y = models[0].points
    marks = [Mark("high sensitivity", x[12], y[12]), Mark("high specificity", x[3], y[3])]
    froc = [
        found("FracturaX", 0.92, "0.81 at 1", speed=1.8),
        found("Peer", 0.86, "0.66 at 1", speed=1.2),
    ]
    middle = np.linspace(0.05, 0.95, 10)
    observed = np.clip(middle**1.2 + generator.normal(0, 0.02, 10), 0, 1)
    bins = Curve("tenths of cases", middle, observed, observed - 0.05, observed + 0.05)
    line = np.linspace(0, 1, 50)
    smooth = Curve("smoothed, 95 % band", line, line**1.2, line**1.2 * 0.93, line**1.2 * 1.05)
    sick, well = generator.beta(4, 1.5, 654), generator.beta(1.2, 6, 2946)
    at = np.linspace(0.02, 0.6, 60)
    treat_all = Curve("Treat all", at, 0.2 - 0.8 * at / (1 - at))
    counts = np.array([100, 200, 400, 800, 1600, 3200])
    learned = 0.95 - 1.2 / np.sqrt(counts) * np.array([1.0, 0.9, 1, 1, 1.05, 1])
    slower = 0.93 - 1.9 / np.sqrt(counts)
    learning = [
        Curve("FracturaX", counts, learned, learned - 0.3 / np.sqrt(counts),
              learned + 0.25 / np.sqrt(counts)),
        Curve("from scratch", counts, slower, slower - 0.4 / np.sqrt(counts),
              slower + 0.35 / np.sqrt(counts)),
    ]  # fmt: skip
    whole = ForestRow("All images", 0.943, 0.928, 0.956, 3600)
    forest = [
        ForestRow("hand", 0.951, 0.932, 0.967, 1538, heading="Region"),
        ForestRow("leg", 0.938, 0.915, 0.957, 2272),
        ForestRow("hip", 0.871, 0.801, 0.931, 338),
        ForestRow("shoulder", 0.902, 0.842, 0.950, 349),
        ForestRow("frontal", 0.948, 0.930, 0.962, 2503, heading="View"),
        ForestRow("lateral", 0.931, 0.906, 0.953, 1492),
        ForestRow("oblique", None, n=9, note="too few (9)"),
        ForestRow("no", 0.944, 0.929, 0.958, 3501, heading="Metal implant"),
        ForestRow("yes", 0.887, 0.792, 0.958, 99),
    ]
    readers = [
        ReaderPoint(
            f"reader {i}", sensitivity, specificity, min(sensitivity + up, 1),
            min(specificity + off, 1),
        )
        for i, (sensitivity, specificity, up, off) in enumerate(
            zip(generator.uniform(0.6, 0.78, 9), generator.uniform(0.83, 0.95, 9),
                generator.uniform(0.04, 0.14, 9), generator.uniform(-0.01, 0.05, 9), strict=True),
            1,
        )
    ]  # fmt: skip
    matrix = [[2741, 205], [98, 556]]
    named = {"doubt": 0.12, "fracture": 0.49}
    score = {"Fracture": sick, "No fracture": well}
    afroc = [binormal("FracturaX", 1.7, note="area 0.88 (0.85 to 0.91)")]
    text = "smoothed, 95 % band"
    return {
        "roc": (lambda width: draw_roc(models, marks=marks, width_mm=width),
                ["Sensitivity", "FracturaX", "AUROC 0.86 (0.83 to 0.88)", "high specificity"]),
        "precision_recall": (
            lambda width: draw_precision_recall([precision(models[0], 0.18)], prevalence=0.18,
                                                width_mm=width),
            ["Precision (PPV)", "AP 0.87 (0.83 to 0.90)"]),
        "froc": (lambda width: draw_froc(froc, up_to=4, width_mm=width),
                 ["False positives per image", "0.66 at 1"]),
        "afroc": (lambda width: draw_afroc(afroc, width_mm=width),
                  ["Share of normal images with a false mark", "area 0.88 (0.85 to 0.91)"]),
        "reliability": (
            lambda width: draw_reliability(bins, np.concatenate([sick, well]), smooth=smooth,
                                           notes=["slope 1.12", "intercept −0.08"],
                                           width_mm=width),
            ["Observed share of fractures", text, "slope 1.12", "Images"]),
        "decision": (
            lambda width: draw_decision_curve(
                [benefit("FracturaX", 2.4), benefit("Peer", 1.7)],
                treat_all=treat_all, width_mm=width),
            ["Net benefit", "Treat none", "Treat all", "Peer"]),
        "confusion": (
            lambda width: draw_confusion(matrix, ["no fracture", "fracture"], width_mm=width),
            ["2,741", "85.0%", "(n = 654)", "Reference"]),
        "forest": (lambda width: draw_forest(forest, metric="AUROC", whole=whole, width_mm=width),
                   ["Region", "All images", "0.943 (0.928 to 0.956)", "too few (9)", "3,501"]),
        "scores": (lambda width: draw_score_distributions(score, thresholds=named, width_mm=width),
                   ["Fracture (n = 654)", "doubt", "Probability of a fracture"]),
        "readers": (lambda width: draw_readers(readers, model=models[0], width_mm=width),
                    ["Readers without AI", "Readers with AI", "1 − specificity"]),
        "learning": (lambda width: draw_learning_curve(learning, y="AUROC", width_mm=width),
                     ["Training cases", "from scratch", "3,200"]),
    }  # fmt: skip


if __name__ == "__main__":
    import sys
    from pathlib import Path

    from fracturax.reporting.figures import write_figure

    folder = Path(sys.argv[1])
    for name, (make, _) in every_figure().items():
        for width in (COLUMN_MM, PAGE_MM):
            write_figure(make(width), folder / f"{name}-{width:.0f}.png")
