"""State: the results of a published model, all from what it answered out of fold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.provenance import sha256_of_file
from fracturax.evaluation import ImageDetections, PredictionTable
from fracturax.evaluation.guarantee import doubt_curve
from fracturax.evaluation.localization import read_boxes, write_boxes
from fracturax.pipelines.box_report import BoxReport
from fracturax.pipelines.evaluation_page import write_evaluation
from fracturax.pipelines.ledger import count_films
from fracturax.pipelines.table_columns import join_units
from fracturax.pipelines.table_evaluation import evaluate_units
from fracturax.pipelines.table_report import TableOptions

TABLE, BOXES, NUMBERS, PAGE = "out_of_fold.csv", "out_of_fold_boxes.csv", "evaluation.json", "page"
"""Files of a results folder, and the folder of its page."""


def state(
    results: Path,
    document: Mapping[str, Any],
    table: PredictionTable,
    columns: Mapping[str, npt.NDArray[np.str_]],
    images: Sequence[ImageDetections] | None,
) -> dict[str, Any]:
    """Write the tables, the page and the numbers of a model into a folder of results.

    Args:
        results: The folder, which is there.
        document: Numbers and facts at hand; those of the page come beside them as `report`.
        table: Out-of-fold predictions.
        columns: What subgroups are made of, as `pipelines.evaluate.known_columns` gives it.
        images: Out-of-fold boxes of every assessed film; None where they were not kept, and the
            page shows the numbers that stand in the document.

    Returns:
        The document as it was written, of which `write_card` makes the card.
    """
    table.write_csv(results / TABLE, columns)
    boxes = BoxReport.of_numbers(document["evaluation"][document["precision"]])
    if images is not None:
        write_boxes(images, results / BOXES)
        # Of the boxes as they are kept, so that whoever reads the table gets the very same numbers.
        boxes = BoxReport.of(table, read_boxes(results / BOXES, table))
    by = tuple(columns)
    units = join_units(table, columns, by=by)
    report = evaluate_units(
        units,
        TableOptions(by=by),
        source=TABLE,
        sha256=sha256_of_file(results / TABLE),
        boxes=boxes,
    )
    write_evaluation(report, results / PAGE)
    # The curves stand in the page; here they would be most of the file.
    numbers = {name: value for name, value in report.as_document().items() if name != "curves"}
    assessed = table.is_assessed
    shown = {name: values[assessed] for name, values in units.columns.items()}
    films = count_films(shown, table.reference[assessed])
    stated = {
        **document,
        "report": numbers,
        "films_of_subgroups": films,
        "guarantee": _price_of_promises(table),
    }
    text = json.dumps(stated, indent=1, sort_keys=True) + "\n"
    (results / NUMBERS).write_text(text, encoding="utf-8")
    return stated


def _price_of_promises(table: PredictionTable) -> list[dict[str, float | None]]:
    """Return how many films a guarantee leaves in doubt, all of them being a site's sample.

    A side that nothing proves has no threshold.
    """
    assessed = table.is_assessed
    curve = doubt_curve(table.probability[assessed], table.reference[assessed])
    return [
        {
            "ppv": promise.ppv,
            "npv": promise.npv,
            "low": found.low or None,
            "high": found.high if found.high < 1 else None,
            "doubt": found.abstention,
        }
        for promise, found in curve
    ]
