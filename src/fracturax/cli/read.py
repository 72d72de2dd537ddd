"""`fracturax read` and `fracturax demo`: from files to reports."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from fracturax.cli.console import JsonOption, print_json, progress, show_progress, words
from fracturax.core.errors import ConfigError, UnreadableImageError
from fracturax.core.prediction import Predictor, Status
from fracturax.core.progress import silent
from fracturax.core.report import RESEARCH_USE_NOTICE

if TYPE_CHECKING:
    from fracturax.pipelines.place_on_film import FilmHint

_STYLES: dict[Status, str] = {
    "fracture": "bold bright_red",
    "doubt": "bold yellow",
    "no_fracture": "green",
    "not_assessed": "bold magenta",
}
_LARGEST_TABLE = 40

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the reports.")]
Forms = Annotated[
    str,
    typer.Option(
        "--forms",
        help="Of html, json, png, csv; DICOM sr, seg, gsps, sc, ko, pdf; fhir, hl7; with commas.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Name of a model, or a bundle's folder; else xray for films and ct for CT.",
    ),
]
XrayPath = Annotated[
    Path | None,
    typer.Option("--xray", help="Films of a pair: with --ct they become one answer."),
]
CtPath = Annotated[
    Path | None, typer.Option("--ct", help="CT of a pair: NIfTI, or a series of DICOM.")
]
StartPose = Annotated[
    str | None,
    typer.Option(
        "--pose",
        help="Of a pair: how the patient lay, where the film does not say: AP, PA, LL, RL, or "
        "turns and shifts as of fracturax simulate.",
    ),
]
PixelMm = Annotated[
    float | None,
    typer.Option("--pixel-mm", help="Of a pair: the film's pixel size at the detector."),
]
Precision = Annotated[
    str | None,
    typer.Option("--precision", help="fp32, int8 or bf16, if the bundle has it; else its default."),
]


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    app.command("read")(read)
    app.command("demo")(demo)


def read(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Films, CT, folders, zips or DICOMDIRs.", show_default=False),
    ] = None,
    xray: XrayPath = None,
    ct: CtPath = None,
    pose: StartPose = None,
    pixel_mm: PixelMm = None,
    out: Out = Path("results"),
    forms: Forms = "html,json,png",
    model: Model = None,
    precision: Precision = None,
    as_json: JsonOption = False,
) -> None:
    """Read radiographs and CT: an answer and a report for each study.

    Film and CT of one patient become one answer where they are given by --xray and --ct, or lie
    alone in one folder.
    """
    read_paths(
        paths or [],
        pair=_pair(paths or [], xray, ct, model),
        pose=pose,
        pixel_mm=pixel_mm,
        out=out,
        forms=forms,
        model=model,
        precision=precision,
        as_json=as_json,
    )


def _pair(
    paths: list[Path], xray: Path | None, ct: Path | None, model: str | None
) -> tuple[Path, Path] | None:
    """Return the two paths of a pair that was asked for.

    Raises:
        ConfigError: If one of them is missing, or something else was given beside them.
    """
    if xray is None and ct is None:
        if not paths:
            raise ConfigError("nothing to read", cure="give films, CT, folders or archives")
        return None
    if xray is None or ct is None:
        raise ConfigError(
            "a pair is a film and a CT",
            got="--ct alone" if xray is None else "--xray alone",
            cure="give both, or the path alone",
        )
    if paths or model is not None:
        raise ConfigError(
            "a pair is read alone, by the models made for it",
            got="--model" if model is not None else f"{len(paths)} more paths",
            cure="leave it out",
        )
    return xray, ct


def demo(
    out: Out = Path("fracturax-demo"),
    as_json: JsonOption = False,
) -> None:
    """Read the example study that comes with FracturaX: synthetic films, no patient."""
    from fracturax.example import example_study_folder

    words.print("Reading the example: SYNTHETIC films, drawn by a program, of no patient.")
    read_paths([example_study_folder()], out=out, as_json=as_json)


def read_paths(
    paths: list[Path],
    *,
    pair: tuple[Path, Path] | None = None,
    pose: str | None = None,
    pixel_mm: float | None = None,
    out: Path,
    forms: str = "html,json,png",
    model: str | None = None,
    precision: str | None = None,
    as_json: bool = False,
) -> None:
    """Find, read, write, and say what was found."""
    from fracturax.pipelines.pairing import pair_of
    from fracturax.pipelines.read import Written, find_all, read_to_folder
    from fracturax.reporting import report_document

    if pair is not None:
        studies = [pair_of(*pair)]
    else:
        studies = find_all(paths, joins_pairs=model is None)
    workers = min(len(studies), os.cpu_count() or 1)
    hint = _hint(pose, pixel_mm)
    predictor = _reader(model, precision=precision, workers=workers, hint=hint)
    chosen = [form for form in forms.split(",") if form]
    reading = read_to_folder(studies, predictor, out=out, forms=chosen, workers=workers)
    documents, table, counts = [], _table(), dict.fromkeys(_STYLES, 0)
    readable, reason, place = 0, "", out
    nothing_written, left_out, reservations = bool(studies), [], []
    written: Written
    for written in show_progress(reading, "reading", total=len(studies)):
        report = written.report
        counts[report.prediction.status] += 1
        readable += bool(report.study.images)
        reason = reason or (report.prediction.reason or "")
        place = written.files[0] if written.files else out
        nothing_written &= bool(written.left_out) and not written.files
        left_out += [(report.study.key, one) for one in written.left_out]
        if report.prediction.fusion is not None:
            told = report.prediction.fusion.reservations
            reservations += [(report.study.key, one) for one in told]
        if as_json:
            files = [str(file) for file in written.files]
            missing = [{"form": one.form, "reason": str(one.error)} for one in written.left_out]
            document = {**report_document(report), "files": files, "left_out": missing}
            documents.append(document)
        elif table.row_count < _LARGEST_TABLE:
            _add_row(table, written)
    if as_json:
        print_json({"studies": documents, "counts": counts})
    else:
        words.print(table)
        place = place if len(studies) == 1 else out / "index.html"
        _print_summary(place if place.is_file() else out, counts, shown=table.row_count)
    for key, remark in reservations[:_LARGEST_TABLE]:
        words.print(f"study {key}: {remark}", markup=False, soft_wrap=True)
    for key, one in left_out[:_LARGEST_TABLE]:
        words.print(f"study {key}: no {one.form}: {one.error}", markup=False, soft_wrap=True)
    if not readable:
        raise UnreadableImageError("nothing could be read", got=reason)
    if nothing_written and "csv" not in chosen:
        raise left_out[0][1].error


def _hint(pose: str | None, pixel_mm: float | None) -> FilmHint | None:
    if pose is None and pixel_mm is None:
        return None
    from fracturax.pipelines.place_on_film import FilmHint
    from fracturax.pipelines.simulate import pose_of

    return FilmHint(None if pose is None else pose_of(pose), pixel_mm)


def _reader(
    model: str | None, *, precision: str | None, workers: int, hint: FilmHint | None
) -> Predictor:
    """Load the model that was asked for; else each kind of image has one, loaded when needed."""
    from fracturax.models.readers import ReaderByImage, load_reader
    from fracturax.pipelines.pair_reader import PairReader, load_fusion

    def loaded(name: str) -> Predictor:
        # One bar a study is drawn already; a lone CT takes long enough to tell of its slabs.
        tell = progress if workers == 1 else silent
        threads = 1 if workers > 1 else 0
        own = precision if name != "ct" else None
        return load_reader(name, precision=own, threads=threads, progress=tell)

    if model is not None:
        return load_reader(
            model, precision=precision, threads=1 if workers > 1 else 0, progress=progress
        )
    alone = ReaderByImage(partial(loaded, "xray"), partial(loaded, "ct"))
    threads = 1 if workers > 1 else 0
    return PairReader(alone, fused=partial(load_fusion, threads=threads), hint=hint)


def _table() -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("study", "answer", "probability", "film", "findings"):
        table.add_column(column, overflow="fold")
    return table


def _add_row(table: Table, written: object) -> None:
    from rich.text import Text

    from fracturax.pipelines.read import Written

    assert isinstance(written, Written)
    answer = written.report.prediction
    shown = answer.status.replace("_", " ")
    probability = "" if answer.probability is None else f"{answer.probability:.0%}"
    film = answer.decisive_image or ", ".join(image.image for image in answer.images)
    table.add_row(
        answer.study_key,
        Text(shown, style=_STYLES[answer.status]),
        probability,
        Text(film or ", ".join(file.name for file in written.report.study.unreadable)),
        Text(answer.reason or f"{len(answer.findings)}"),
    )


def _print_summary(place: Path, counts: dict[Status, int], *, shown: int) -> None:
    total = sum(counts.values())
    if total > shown:
        words.print(f"... and {total - shown} more studies")
    said = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in counts.items())
    words.print(f"\n{total} {'study' if total == 1 else 'studies'}: {said}")
    words.print(f"Report: {place.resolve()}", soft_wrap=True)
    words.print(RESEARCH_USE_NOTICE, style="dim")
