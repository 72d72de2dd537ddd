"""`fracturax split`: put a data set into parts that share no patient and no copy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, progress, words
from fracturax.core.errors import ConfigError


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("split")(split)


def split(
    root: Annotated[Path, typer.Argument(help="Folder of the data set.")],
    dataset: Annotated[str, typer.Option("--dataset", help="Name of the data set.")] = "auto",
    out: Annotated[
        Path, typer.Option("--out", help="Passport to write; repeats are numbered.")
    ] = Path("split.json"),
    folds: Annotated[int | None, typer.Option("--folds", help="Cross-validation.", min=2)] = None,
    shares: Annotated[
        str | None, typer.Option("--shares", help="Parts, such as train=0.7,valid=0.1,test=0.2.")
    ] = None,
    held_out: Annotated[
        str | None, typer.Option("--hold-out", help="Group to test on: a hospital, a device.")
    ] = None,
    first_test_day: Annotated[
        str | None, typer.Option("--test-from", help="Test on films from this day on, YYYY-MM-DD.")
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", help="Repeat the folds.", min=1)] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the partition.", min=0)] = 0,
    clean: Annotated[
        Path | None, typer.Option("--clean", help="Clean list that fracturax audit --fix wrote.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the passport of a split: members, their hashes, the rule, the seed, and a hash of all.

    Defective films and copies are left out; what belongs together stands together.
    """
    from fracturax.datasets import open_dataset
    from fracturax.datasets.clean_list import read_clean_list
    from fracturax.pipelines.split import SplitRule
    from fracturax.pipelines.split import split as split_cases

    rule = SplitRule(
        folds=folds,
        shares=None if shares is None else _parse_shares(shares),
        held_out=held_out,
        first_test_day=first_test_day,
        repeats=repeats,
        seed=seed,
    )
    cases = open_dataset(dataset, root=root)
    unwanted = () if clean is None else read_clean_list(clean)
    splits, prepared = split_cases(cases, rule, unwanted=unwanted, progress=progress)
    paths = [_numbered(out, number, len(splits)) for number in range(len(splits))]
    for path, one in zip(paths, splits, strict=True):
        one.write(path)
    document = {
        "cases": len(prepared.cases),
        "dropped": len(prepared.dropped),
        "groups": len(set(prepared.groups)),
        "notes": list(prepared.notes),
        "splits": [
            {"path": str(path), "sha256": one.sha256, "rule": one.rule, "parts": one.sizes()}
            for path, one in zip(paths, splits, strict=True)
        ],
    }
    if as_json:
        print_json(document)
        return
    words.print(
        f"{document['cases']} cases in {document['groups']} groups; "
        f"{document['dropped']} dropped as defective, copies or by the clean list"
    )
    for note in prepared.notes:
        words.print(f"note: {note}", markup=False, soft_wrap=True)
    for path, one in zip(paths, splits, strict=True):
        sizes = ", ".join(f"{part} {size}" for part, size in one.sizes().items())
        words.print(f"{path}  {one.sha256[:12]}  {sizes}", markup=False, soft_wrap=True)


def _parse_shares(text: str) -> dict[str, float]:
    try:
        pairs = [part.split("=") for part in text.split(",")]
        return {name.strip(): float(share) for name, share in pairs}
    except ValueError:
        raise ConfigError(
            "shares are written as train=0.7,valid=0.1,test=0.2", got=repr(text)
        ) from None


def _numbered(path: Path, number: int, count: int) -> Path:
    return path if count == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
