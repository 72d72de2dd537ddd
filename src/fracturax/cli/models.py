"""`fracturax models`: which there are, whether they are whole, and how a new one comes in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fracturax.cli.console import JsonOption, print_json, words
from fracturax.core.errors import FracturaXError

if TYPE_CHECKING:
    from fracturax.models.any_bundle import AnyBundle


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    group = typer.Typer(
        help="List, import or verify models.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    group.command("list")(list_models)
    group.command("import")(import_model)
    group.command("verify")(verify)
    app.add_typer(group, name="models")


def list_models(as_json: JsonOption = False) -> None:
    """List the models that come with the package and those that were imported, verified."""
    _show(_known(), as_json=as_json)


def import_model(
    source: Annotated[Path, typer.Argument(help="A bundle's folder, or a zip archive of it.")],
    as_json: JsonOption = False,
) -> None:
    """Copy a bundle to where models lie, verified; it is then known as NAME@VERSION.

    Models lie in ~/.fracturax/models, or where the variable FRACTURAX_MODELS says.
    """
    from fracturax.models.importing import import_bundle

    bundle = import_bundle(source)
    manifest = bundle.manifest
    _show({f"{manifest.name}@{manifest.version}": _facts(bundle)}, as_json=as_json)


def verify(
    models: Annotated[
        list[str] | None, typer.Argument(help="Names or folders; all known models by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check every file of models against its hash; a changed or truncated one ends in an error."""
    found = _known() if not models else {name: _state(name) for name in models}
    _show(found, as_json=as_json)
    if any(facts["state"] != "verified" for facts in found.values()):
        sys.exit(1)


def _known() -> dict[str, dict[str, Any]]:
    from fracturax.models.store import imported_bundles, packaged_bundles

    return {name: _state(name) for name in (*packaged_bundles(), *imported_bundles())}


def _state(name: str) -> dict[str, Any]:
    from fracturax.models.any_bundle import open_any
    from fracturax.models.store import find_bundle

    try:
        return _facts(open_any(find_bundle(name)))
    except FracturaXError as error:
        return {"state": str(error)}


def _facts(bundle: AnyBundle) -> dict[str, Any]:
    from fracturax.models.any_bundle import network_of
    from fracturax.models.store import packaged_bundles

    manifest, training = bundle.manifest, dict(bundle.manifest.training)
    return {
        "state": "verified",
        "version": manifest.version,
        "created": manifest.created,
        "network": network_of(bundle),
        "data": training.get("data"),
        "films": int(training["films"]) if "films" in training else None,
        "cubes": int(training["cubes"]) if "cubes" in training else None,
        "bytes": sum(path.stat().st_size for path in bundle.folder.iterdir()),
        "sha256": bundle.sha256,
        "folder": str(bundle.folder),
        "is_packaged": bundle.folder in packaged_bundles().values(),
    }


def _show(models: dict[str, dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"models": models})
        return
    for name, facts in models.items():
        if facts["state"] != "verified":
            words.print(f"{name}: {facts['state']}", style="bold red", markup=False)
            continue
        learned = "unknown data"
        for kind in ("films", "cubes"):
            if facts[kind]:
                learned = f"{facts[kind]} {kind} of {facts['data']}"
        words.print(
            f"{name:20} {facts['version']}, {facts['bytes'] / 1e6:.1f} MB, trained on {learned}, "
            f"{facts['sha256'][:12]}, verified",
            markup=False,
            soft_wrap=True,
        )
        words.print(f"{'':20} {facts['folder']}", markup=False, soft_wrap=True)
