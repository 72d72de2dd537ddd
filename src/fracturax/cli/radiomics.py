"""`fracturax radiomics`: features of a region of films and CT, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, progress, words
from fracturax.core.errors import ConfigError, ImageError
from fracturax.core.geometry import Box

if TYPE_CHECKING:
    from fracturax.radiomics import RadiomicsPlan


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("radiomics")(radiomics)


def radiomics(
    path: Annotated[Path, typer.Argument(help="Film, volume, folder or zip.")],
    mask: Annotated[
        Path | None, typer.Option("--mask", help="Image whose values above 0 mark the region.")
    ] = None,
    box: Annotated[
        str | None,
        typer.Option("--box", help="Region of a film: top, left, bottom, right."),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="JSON: families, bin_width, log_sigma_mm, ...")
    ] = None,
    stability: Annotated[
        bool,
        typer.Option(
            "--stability",
            help="Say instead how stable each feature is under small shifts of its region.",
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="CSV file to write.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Describe the bone of each image, or a mask or box: grey values, shape, texture.

    By an IBSI-conformant library. Without --mask and --box, the bone is found untrained; where it
    is not found, the table says why.

    With --stability, image and region are shifted, turned, redrawn and made noisy a little, and the
    table has a line a feature: how much of what differs lies between regions (ICC), with its
    interval. Two regions are needed: images of a folder, or values of one mask.
    """
    from fracturax.pipelines.radiomics import as_csv, describe
    from fracturax.radiomics import load_radiomics_plan

    chosen = None if plan is None else load_radiomics_plan(plan)
    if stability:
        _tell_stability(path, mask, box, chosen, out, as_json)
        return
    found = list(describe(path, mask=mask, box=_box(box), plan=chosen))
    if out is not None:
        out.write_text(as_csv(found), encoding="utf-8")
    if as_json:
        print_json(
            {
                "images": [
                    {
                        "image": one.image,
                        "region": one.region,
                        "voxels": one.voxels,
                        "reason": one.reason or None,
                        "plan_sha256": one.features and one.features.plan_sha256,
                        "features": None
                        if one.features is None
                        else dict(
                            zip(one.features.names, one.features.values.tolist(), strict=True)
                        ),
                        "notes": [] if one.features is None else list(one.features.notes),
                    }
                    for one in found
                ]
            }
        )
    else:
        for one in found:
            said = one.reason or f"{len(one.features.names) if one.features else 0} features"
            words.print(f"{one.image}: {one.region}, {said}", markup=False, soft_wrap=True)
        if out is not None:
            words.print(f"  -> {out}", markup=False, soft_wrap=True)
    if all(one.features is None for one in found):
        raise ImageError("no image has a usable region", got=found[0].reason, cure="give --mask")


def _tell_stability(
    path: Path,
    mask: Path | None,
    box: str | None,
    plan: RadiomicsPlan | None,
    out: Path | None,
    as_json: bool,
) -> None:
    from fracturax.pipelines.radiomics_stability import measure_stability

    if box is not None:
        raise ConfigError(
            "stability is measured on two regions or more",
            got="one box",
            cure="give a folder of images, or a --mask with one value a region",
        )
    found = measure_stability(
        path, mask=mask, plan=plan, progress=lambda studies: progress(studies, "studies")
    )
    if out is not None:
        out.write_text(found.as_csv(), encoding="utf-8")
    if as_json:
        print_json(found.as_document())
        return
    for name, reason in found.left_out:
        words.print(f"{name}: left out, {reason}", markup=False, soft_wrap=True)
    told = ", ".join(f"{count} {name}" for name, count in found.counts().items() if count)
    words.print(
        f"{len(found.features)} features of {found.regions} regions: {told}",
        markup=False,
        soft_wrap=True,
    )
    if out is not None:
        words.print(f"  -> {out}", markup=False, soft_wrap=True)


def _box(text: str | None) -> Box | None:
    if text is None:
        return None
    try:
        top, left, bottom, right = (float(one) for one in text.split(","))
    except ValueError:
        raise ConfigError(
            "a box is four numbers", got=text, cure="give --box 100,80,300,260"
        ) from None
    return Box(top, left, bottom, right)
