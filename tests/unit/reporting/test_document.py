import json
import math
from collections.abc import Callable
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from fracturax.core.errors import DataError
from fracturax.core.image import Radiograph, Volume
from fracturax.core.report import Report
from fracturax.core.study import Study
from fracturax.reporting import document_text, report_document, schema


def _check(report: Report) -> dict[str, object]:
    document: dict[str, object] = json.loads(document_text(report))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.Draft202012Validator(schema()).validate(document)
    assert document == report_document(report)
    return document


def test_a_document_obeys_its_schema_and_comes_back_as_it_was(report: Report) -> None:
    document = _check(report)
    assert document["probability"] == 0.8712345678901234
    image = report_document(report)["images"][0]
    assert image["findings"][0]["box"] == [120.5, 60.25, 260.0, 180.0]
    assert image["history"] == [
        {"name": "window", "parameters": {"center": 2048.0, "width": 4096.0}}
    ]


def test_a_study_of_unreadable_files_is_a_document(unassessed_of: Callable[..., Report]) -> None:
    document = _check(unassessed_of())
    assert document["images"] == []
    assert document["unreadable"] == [{"name": "a.dcm", "reason": "the file is cut short"}]


def test_an_image_without_an_answer_carries_the_reason_of_its_study(
    unassessed_of: Callable[..., Report], film: Callable[..., Radiograph]
) -> None:
    report = unassessed_of(films=(film(),))
    _check(report)
    image = report_document(report)["images"][0]
    assert (image["status"], image["probability"]) == ("not_assessed", None)
    assert image["reason"] == "a chest is out of scope <b>"


def test_numbers_of_numpy_become_plain_ones(report: Report) -> None:
    prediction = replace(report.prediction, probability=np.float32(0.5), duration_s=np.float64(2))
    assert _check(replace(report, prediction=prediction))["probability"] == 0.5


def test_a_volume_tells_its_slices(unassessed_of: Callable[..., Report]) -> None:
    report = unassessed_of(films=(Volume(np.zeros((5, 40, 30), np.int16), name="ct"),))
    _check(report)
    image = report_document(report)["images"][0]
    assert (image["slices"], image["rows"], image["columns"]) == (5, 40, 30)


def test_nan_is_refused_not_written(report: Report) -> None:
    answer = replace(report.prediction.images[0], hardware_probability=math.nan)
    prediction = replace(report.prediction, images=(answer,))
    with pytest.raises(DataError, match="not finite"):
        document_text(replace(report, prediction=prediction))


def test_the_schema_refuses_an_answer_that_contradicts_itself(report: Report) -> None:
    document = dict(report_document(report))
    document["status"] = "not_assessed"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


def test_the_schema_describes_every_field() -> None:
    def described(node: object) -> bool:
        if not isinstance(node, dict):
            return True
        properties = node.get("properties", {})
        named = all(
            "description" in one or "$ref" in one
            for one in properties.values()
            if "const" not in one
        )
        return named and all(described(one) for one in properties.values())

    whole = schema()
    whole.pop("if"), whole.pop("then"), whole.pop("else")
    assert described(whole)
    assert all(described(one) for one in whole["$defs"].values())


def test_odd_file_names_stay_writable(report: Report) -> None:
    odd = replace(report.study.images[0], name="bad\udcff.dcm")
    report = replace(report, study=Study("4f1a", (odd,)))
    assert "bad" in json.loads(document_text(report).encode("utf-8"))["images"][0]["name"]
