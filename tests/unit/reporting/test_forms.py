"""The registry: every form is told once, and one that fails keeps back none of the others."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module

import pytest

from fracturax.core.errors import DataError, MissingExtraError, UnknownNameError
from fracturax.core.report import Report
from fracturax.reporting import forms as registry
from fracturax.reporting.forms import FORMS, Form, check_installed, make_forms


def test_names_and_suffixes_are_unique_and_the_code_is_there() -> None:
    assert len({form.suffix for form in FORMS.values()}) == len(FORMS)
    for form in FORMS.values():
        module, _, function = form.code.partition(":")
        assert callable(getattr(import_module(module), function)), form.name


def test_a_form_that_cannot_be_had_keeps_back_none_of_the_others(report: Report) -> None:
    made = list(make_forms(report, ["json", "sr", "html", "seg", "json"]))
    assert [one.form.name for one in made] == ["json", "sr", "html", "seg"]
    assert [bool(one.files) for one in made] == [True, False, True, False]
    assert isinstance(made[1].error, DataError)


def test_an_unknown_form_offers_its_neighbour(report: Report) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gsps'"):
        list(make_forms(report, ["gsp"]))


def test_a_missing_extra_says_what_to_install(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = replace(FORMS["sr"], packages=("no_such_package",))
    monkeypatch.setattr(registry, "FORMS", type(FORMS)("form", (missing,)))
    with pytest.raises(MissingExtraError, match=r'pip install "fracturax\[dicom\]"'):
        check_installed(["sr"])
    with pytest.raises(MissingExtraError):
        list(make_forms(report, ["sr"]))


def test_a_bug_in_one_form_is_an_error_that_keeps_its_cause(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(report: Report) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(sys.modules[__name__], "fail", fail, raising=False)
    broken = Form("broken", ".broken", "broken", f"{__name__}:fail")
    monkeypatch.setattr(registry, "FORMS", type(FORMS)("form", (broken, FORMS["json"])))
    first, second = make_forms(report, ["broken", "json"])
    assert isinstance(first.error, DataError)
    assert isinstance(first.error.__cause__, ZeroDivisionError)
    assert second.files
