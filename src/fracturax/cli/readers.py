"""`fracturax readers`: the forms of a study, what it says, and how large the next one has to be."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, words
from fracturax.core.errors import ConfigError

if TYPE_CHECKING:
    from fracturax.evaluation.readers import Inference, PilotComponents
    from fracturax.pipelines.readers import StudyOptions


class Fixed(StrEnum):
    """What is not random."""

    nothing = "nothing"
    readers = "readers"
    cases = "cases"


class Covariance(StrEnum):
    """How error covariances of areas are estimated."""

    delong = "delong"
    jackknife = "jackknife"
    unbiased = "unbiased"


FixedOption = Annotated[
    Fixed, typer.Option("--fixed", help="What the result is for alone; the rest is random.")
]
CovarianceOption = Annotated[
    Covariance | None, typer.Option("--covariance", help="Error covariances; DeLong if it can be.")
]
TreatmentsOption = Annotated[
    str | None, typer.Option("--treatments", help="Those to compare, in order, with commas.")
]
ThresholdOption = Annotated[
    float | None, typer.Option("--threshold", help="Rating from which a case is called fractured.")
]


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    group = typer.Typer(
        help="Plan a reader study, write its forms, analyse it.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    group.command("analyse")(analyse)
    group.command("plan")(plan)
    group.command("form")(form)
    group.command("collect")(collect)
    app.add_typer(group, name="readers")


def analyse(
    table: Annotated[Path, typer.Argument(help="Ratings, or marks with a column lesion (CSV).")],
    threshold: ThresholdOption = None,
    treatments: TreatmentsOption = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Name of a model among the readers.")
    ] = None,
    fixed: FixedOption = Fixed.nothing,
    covariance: CovarianceOption = None,
    scale: Annotated[
        str | None, typer.Option("--scale", help="Least and greatest rating, such as 1,5.")
    ] = None,
    readers: Annotated[
        str | None, typer.Option("--readers", help="The readers of the study, with commas.")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Take a study with gaps as partially paired.")
    ] = False,
    level: Annotated[float, typer.Option("--level", help="Coverage of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the bootstrap.", min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare treatments over readers and cases: area, sensitivity, specificity, times, agreement.

    Multi-reader multi-case analysis by Obuchowski-Rockette with Hillis' degrees of freedom.
    """
    from fracturax.pipelines.readers import StudyOptions, analyse_readers

    lowest, highest = _parse_scale(scale)
    options = StudyOptions(
        threshold=threshold,
        treatments=_parse_names(treatments),
        model=model,
        inference=_inference(fixed),
        covariance=None if covariance is None else covariance.value,
        level=level,
        lowest=lowest,
        highest=highest,
        readers=_parse_names(readers),
        allow_missing=allow_missing,
        seed=seed,
    )
    report = analyse_readers(table, options)
    if as_json:
        print_json(report.as_document())
    else:
        words.print(report.as_text(), markup=False, soft_wrap=True)


def plan(
    effect: Annotated[float, typer.Option("--effect", help="Difference to find, such as 0.05.")],
    readers: Annotated[
        str, typer.Option("--readers", help="Numbers of readers to plan for, such as 6,8,10.")
    ],
    pilot: Annotated[
        Path | None, typer.Option("--pilot", help="Ratings of a fully crossed pilot (CSV).")
    ] = None,
    components: Annotated[
        str | None,
        typer.Option(
            "--components",
            help="Instead of a pilot: tr=0.0002,error=0.0008,cov1=0.0003,cov2=0.0003,cov3=0.0002,"
            "cases=114.",
        ),
    ] = None,
    cases: Annotated[
        int | None, typer.Option("--cases", help="Give the power with so many cases.", min=2)
    ] = None,
    power: Annotated[
        float, typer.Option("--power", help="Give the fewest cases that reach it.")
    ] = 0.8,
    alpha: Annotated[float, typer.Option("--alpha", help="Size of the two-sided test.")] = 0.05,
    threshold: ThresholdOption = None,
    treatments: TreatmentsOption = None,
    fixed: FixedOption = Fixed.nothing,
    covariance: CovarianceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how many cases a study of two treatments needs, or what power it has."""
    from dataclasses import asdict

    from fracturax.evaluation.readers import cases_for_power, power_of_plan
    from fracturax.pipelines.readers import StudyOptions

    options = StudyOptions(
        threshold=threshold,
        treatments=_parse_names(treatments),
        covariance=None if covariance is None else covariance.value,
    )
    known = _components(pilot, components, options)
    inference = _inference(fixed)
    plans = [
        cases_for_power(
            known, readers=count, power=power, effect=effect, inference=inference, alpha=alpha
        )
        if cases is None
        else power_of_plan(
            known, readers=count, cases=cases, effect=effect, inference=inference, alpha=alpha
        )
        for count in _parse_counts(readers)
    ]
    if as_json:
        print_json({"components": asdict(known), "plans": [asdict(one) for one in plans]})
        return
    words.print(plans[0].method, markup=False, soft_wrap=True)
    words.print("readers   cases   power", markup=False)
    for one in plans:
        words.print(f"{one.readers:>7}  {one.cases:>6}  {one.power:.4f}", markup=False)


def form(
    cases: Annotated[Path, typer.Argument(help="Cases with their truth (CSV: case, truth).")],
    readers: Annotated[str, typer.Option("--readers", help="Names of the readers, with commas.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder of the forms.")],
    treatments: Annotated[
        str, typer.Option("--treatments", help="How cases are read, with commas.")
    ] = "alone,with AI",
    seed: Annotated[int, typer.Option("--seed", help="Seed of the orders.", min=0)] = 0,
    as_json: JsonOption = False,
) -> None:
    """Write an empty form for each reader: a fully crossed study in balanced, drawn orders."""
    from fracturax.pipelines.reader_forms import write_forms

    names, ways = _parse_names(readers), _parse_names(treatments)
    made = write_forms(cases, readers=names or (), treatments=ways or (), out=out, seed=seed)
    if as_json:
        print_json(
            {
                "folder": str(made.folder),
                "cases": made.cases,
                "readers": list(made.readers),
                "treatments": list(made.treatments),
            }
        )
        return
    words.print(
        f"{len(made.readers)} forms of {made.cases} cases in {len(made.treatments)} sessions: "
        f"{made.folder}; key.csv holds the truth and is for no reader",
        markup=False,
        soft_wrap=True,
    )


def collect(
    folder: Annotated[Path, typer.Argument(help="Folder of filled forms and their key.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table of ratings to write (CSV).")],
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out what has no rating.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Join filled forms to the table that `fracturax readers analyse` takes."""
    from fracturax.pipelines.reader_forms import collect_forms

    count = collect_forms(folder, out=out, allow_missing=allow_missing)
    if as_json:
        print_json({"readings": count, "table": str(out)})
    else:
        words.print(f"{count} readings: {out}", markup=False, soft_wrap=True)


def _components(
    pilot: Path | None, components: str | None, options: StudyOptions
) -> PilotComponents:
    if (pilot is None) == (components is None):
        raise ConfigError(
            "a plan goes by a pilot or by variance components",
            got="both" if pilot else "neither",
            cure="give --pilot or --components",
        )
    if pilot is not None:
        from fracturax.pipelines.readers import pilot_components

        return pilot_components(pilot, options)
    assert components is not None, "one of both is given"
    return _parse_components(components)


def _parse_components(text: str) -> PilotComponents:
    from fracturax.evaluation.readers import PilotComponents

    names = ("tr", "error", "cov1", "cov2", "cov3", "cases")
    try:
        found = {name.strip(): float(value) for name, value in _pairs(text)}
    except ValueError:
        found = {}
    if set(found) != set(names):
        raise ConfigError(
            "variance components are written as " + ",".join(f"{name}=..." for name in names),
            got=repr(text),
        )
    return PilotComponents(
        found["tr"],
        found["error"],
        found["cov1"],
        found["cov2"],
        found["cov3"],
        int(found["cases"]),
    )


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = [part.split("=") for part in text.split(",")]
    return [(name, value) for name, value in pairs]


def _parse_names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(","))


def _parse_counts(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError("numbers of readers are written as 6,8,10", got=repr(text)) from None


def _parse_scale(text: str | None) -> tuple[float, float]:
    if text is None:
        return -math.inf, math.inf
    try:
        lowest, highest = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError("a scale is written as 1,5", got=repr(text)) from None
    return lowest, highest


def _inference(fixed: Fixed) -> Inference:
    from fracturax.evaluation.readers import FIXED_CASES, FIXED_READERS, RANDOM

    return {Fixed.nothing: RANDOM, Fixed.readers: FIXED_READERS, Fixed.cases: FIXED_CASES}[fixed]
