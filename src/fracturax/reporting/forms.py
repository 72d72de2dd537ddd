"""The forms a report can be written in: one line each; their code is imported when it is asked for.

A form makes files out of one report. Where it speaks to a hospital it also takes the DICOM objects
the images were read from (`fracturax.reporting.dicom.source`), decoded once for all forms.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from fracturax.core.errors import DataError, FracturaXError, MissingExtraError
from fracturax.core.registry import Registry
from fracturax.core.report import Report

if TYPE_CHECKING:
    from fracturax.reporting.dicom.source import SourceImage


@dataclass(frozen=True)
class Form:
    """One form of the report.

    Args:
        name: What `--forms` calls it.
        suffix: End of its files' names, with the dot.
        says: What it is, in a few words.
        code: Its function. `make(report) -> bytes` where `source` is `none`; `make(report,
            sources) -> bytes` where it is `used` (the sources may be empty); `make(report,
            sources) -> list[pydicom.Dataset]` where it is `needed`: a DICOM form.
        source: Whether the form takes the DICOM objects of the study.
        packages: Optional packages that the code imports; they come with the extra `dicom`.
        nothing: Why a DICOM form can come out empty.
    """

    name: str
    suffix: str
    says: str
    code: str
    source: Literal["none", "used", "needed"] = "none"
    packages: tuple[str, ...] = ()
    nothing: str = "nothing to write"

    @property
    def is_installed(self) -> bool:
        """Whether the optional packages it needs are there."""
        return all(find_spec(package.partition(".")[0]) for package in self.packages)


_log = logging.getLogger(__name__)
_DICOM = "fracturax.reporting.dicom"
_NO_FINDING = "no finding"

FORMS: Registry[Form] = Registry(
    "form",
    (
        Form("html", ".html", "page", "fracturax.reporting.page:page_bytes"),
        Form("json", ".json", "document", "fracturax.reporting.document:document_bytes"),
        Form("png", ".png", "marked films", "fracturax.reporting.picture:picture_bytes"),
        Form("csv", ".csv", "table", "fracturax.reporting.table:table_bytes"),
        Form(
            *("print", ".pdf", "page for print", "fracturax.reporting.pdf_page:report_pdf"),
            packages=("reportlab",),
        ),
        *(
            Form(name, f".{name}.dcm", says, f"{_DICOM}.{code}", "needed", packages, nothing)
            for name, says, code, packages, nothing in (
                ("sr", "DICOM structured report", "sr:make_sr", ("highdicom",), ""),
                ("seg", "DICOM segmentation", "seg:make_seg", ("highdicom",), _NO_FINDING),
                ("gsps", "DICOM presentation state", "gsps:make_gsps", ("highdicom",), ""),
                ("sc", "annotated copies", "capture:make_sc", (), ""),
                ("ko", "DICOM key object selection", "ko:make_ko", ("highdicom",), _NO_FINDING),
                ("pdf", "PDF in DICOM", "pdf:make_pdf", ("reportlab",), ""),
            )
        ),
        *(
            Form(name, suffix, says, f"fracturax.reporting.{code}", "used", (package,))
            for name, suffix, says, code, package in (
                ("fhir", ".fhir.json", "FHIR bundle", "fhir:make_fhir", "fhir.resources"),
                ("hl7", ".hl7", "HL7 v2 message", "hl7:make_hl7", "hl7apy"),
            )
        ),
    ),
)
"""All forms, by name."""


@dataclass(frozen=True)
class Made:
    """What became of one form: its files' contents, or the reason why there is none.

    Args:
        form: Which form.
        files: Contents, one a file.
        error: Why the form cannot be written for this report.
    """

    form: Form
    files: tuple[bytes, ...] = ()
    error: FracturaXError | None = None


def check_installed(forms: Iterable[str]) -> None:
    """Refuse forms whose optional packages are not there, before any work is done.

    Raises:
        UnknownNameError: If there is no such form.
        MissingExtraError: If a package is missing.

    Example:
        >>> check_installed(["html", "json"])
    """
    for name in forms:
        if not FORMS[name].is_installed:
            raise MissingExtraError("dicom", verb=f"the form {name!r}")


def make_forms(report: Report, forms: Sequence[str]) -> Iterator[Made]:
    """Make several forms of one report; one that cannot be made does not keep back the others.

    Args:
        report: What to tell.
        forms: Names of forms; each once.

    Returns:
        One entry a form, in order.

    Raises:
        UnknownNameError: If there is no such form.
        MissingExtraError: If an optional package is missing.
    """
    forms = list(dict.fromkeys(forms))
    check_installed(forms)
    sources = _Sources(report)
    for name in forms:
        form = FORMS[name]
        try:
            yield Made(form, tuple(_make(form, report, sources)))
        except MissingExtraError:
            raise
        except FracturaXError as error:
            yield Made(form, error=error)
        except Exception as error:  # a bug of ours must not lose the other forms
            _log.error("%s in the form %s", type(error).__name__, name)
            failed = DataError(
                f"the form {name!r} failed on this report",
                got=type(error).__name__,
                cure="please report it",
            )
            failed.__cause__ = error
            yield Made(form, error=failed)


def forms_without_source() -> tuple[str, ...]:
    """Return the names of the forms that every report can have."""
    return tuple(name for name, form in FORMS.items() if form.source != "needed")


class _Sources:
    """The DICOM objects of a report, decoded at first use and shared by its forms."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._found: tuple[SourceImage, ...] | None = None

    def found(self) -> tuple[SourceImage, ...]:
        if self._found is None:
            from fracturax.reporting.dicom.source import sources_of

            self._found = sources_of(self._report)
        return self._found

    def found_if_any(self) -> tuple[SourceImage, ...]:
        has_any = any(image.origin is not None for image in self._report.study.images)
        return self.found() if has_any else ()


def _make(form: Form, report: Report, sources: _Sources) -> Iterator[bytes]:
    make: Any = _load(form)
    if form.source == "none":
        yield make(report)
    elif form.source == "used":
        yield make(report, sources.found_if_any())
    else:
        from fracturax.imaging.guard import quiet
        from fracturax.reporting.dicom.encode import encoded

        with quiet():
            made = make(report, sources.found())
        if not made:
            raise DataError(
                f"there is no {form.says} of this study",
                got=form.nothing,
                cure=f"these forms say so: {', '.join(('sr', *forms_without_source()))}",
            )
        with quiet():
            yield from [encoded(dataset) for dataset in made]


def _load(form: Form) -> Any:
    module, _, function = form.code.partition(":")
    try:
        return getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {one.partition(".")[0] for one in form.packages}:
            raise MissingExtraError("dicom", verb=f"the form {form.name!r}") from error
        raise
