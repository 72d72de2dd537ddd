"""A sealed folder: a manifest that hashes every file beside it, checked before anything is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from fracturax.core.config import build
from fracturax.core.errors import ConfigError, ModelError
from fracturax.core.prediction import ModelIdentity
from fracturax.core.provenance import sha256_of_document, sha256_of_file

MANIFEST = "bundle.json"
FORMAT = 1
_LARGEST_MANIFEST = 4 << 20
LARGEST_FILE = 512 << 20
"""Bytes of one file, at most."""

ManifestT = TypeVar("ManifestT")


class NamedManifest(Protocol):
    """What the manifest of every reader says of itself."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def version(self) -> str:
        """Version of the bundle."""

    @property
    def plan_sha256(self) -> str:
        """Hash of how images become the model's input."""


NamedT = TypeVar("NamedT", bound=NamedManifest)


@dataclass(frozen=True, eq=False)
class SealedBundle(Generic[NamedT]):
    """A verified bundle of graphs, a manifest and a card; a subclass says of what kind.

    Args:
        folder: Where it lies.
        manifest: What it is.
        sha256: Hash of all of it.
    """

    folder: Path
    manifest: NamedT
    sha256: str

    manifest_kind: ClassVar[type[Any]]
    """Class of its manifest."""
    marker: ClassVar[str]
    """Field that manifests of this kind alone have."""
    run: ClassVar[tuple[str, ...]]
    """Names of the files that are run or read beside the manifest."""
    what: ClassVar[str]
    """What such a folder is called in an error."""
    recipe: ClassVar[str]
    """A recipe that writes one."""

    @property
    def identity(self) -> ModelIdentity:
        """What a prediction says about its model."""
        return ModelIdentity(
            name=self.manifest.name,
            version=self.manifest.version,
            bundle_sha256=self.sha256,
            plan_sha256=self.manifest.plan_sha256,
            precision="fp32",
        )

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return (self.folder / "card.md").read_text(encoding="utf-8")

    @classmethod
    def lies_in(cls, folder: Path) -> bool:
        """Whether a folder holds a bundle of this kind.

        Raises:
            ModelError: If it is no bundle, or a file is missing or was changed.
        """
        model, _, _ = open_sealed(folder)
        return isinstance(model, Mapping) and cls.marker in model

    @classmethod
    def write(cls, folder: Path, manifest: NamedT) -> Self:
        """Seal a folder that holds graphs, weights and card, and open it."""
        assert isinstance(manifest, cls.manifest_kind), "a bundle has the manifest of its kind"
        seal_folder(folder, asdict(manifest))
        return cls.load(folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load and verify a bundle; no torch is needed.

        Args:
            folder: Where it lies.

        Raises:
            ModelError: If it is no such bundle, or a file is missing or was changed.
        """
        place = Path(folder)
        manifest, sha256 = open_with_graphs(
            place,
            cls.manifest_kind,
            graphs=cls.run,
            what=cls.what,
            cure=f"give one that was trained by a recipe such as {cls.recipe}",
        )
        return cls(place, manifest, sha256)


def seal_folder(folder: Path, model: Mapping[str, Any]) -> None:
    """Hash the files of a folder and write its manifest.

    The manifest comes last: a folder without it is no bundle.

    Args:
        folder: Holds graphs, weights and card.
        model: What the manifest says of the model, JSON-able.
    """
    hashes = {
        path.name: sha256_of_file(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != MANIFEST
    }
    body = {"format": FORMAT, "model": model, "files": hashes}
    document = {**body, "sha256": sha256_of_document(body)}
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def open_sealed(folder: Path) -> tuple[Mapping[str, Any], frozenset[str], str]:
    """Verify a sealed folder.

    Returns:
        What the manifest says of the model, the names of the files it hashes, and its own hash.

    Raises:
        ModelError: If a file is missing or was changed, or the manifest is damaged.
    """
    try:
        with (folder / MANIFEST).open("rb") as stream:
            document = json.loads(stream.read(_LARGEST_MANIFEST))
        body = {key: document[key] for key in ("format", "model", "files")}
        stated, hashes = document["sha256"], dict(body["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(
            f"{folder.name} is no bundle",
            got=f"{type(error).__name__} in {MANIFEST}",
            cure="give a folder that fracturax wrote",
        ) from error
    if body["format"] != FORMAT:
        raise ModelError("the bundle has another format", got=str(body["format"]))
    if sha256_of_document(body) != stated:
        raise ModelError("the manifest of the bundle was changed", got="another hash")
    for name, expected in hashes.items():
        _verify(folder, name, expected)
    return body["model"], frozenset(hashes), stated


def open_with_graphs(
    folder: Path, kind: type[ManifestT], *, graphs: tuple[str, ...], what: str, cure: str
) -> tuple[ManifestT, str]:
    """Verify a sealed folder and build its manifest.

    Args:
        folder: The folder.
        kind: What its manifest has to be.
        graphs: Names of the files that are run.
        what: What such a folder is called in an error.
        cure: What to give instead.

    Returns:
        The manifest, and the hash of all of it.

    Raises:
        ModelError: If it is of another kind, or a file is missing or was changed.
    """
    model, files, sha256 = open_sealed(folder)
    try:
        manifest = build(kind, model, where=MANIFEST)
    except ConfigError as error:
        raise ModelError(f"{folder.name} is no {what}", got=str(error), cure=cure) from error
    unhashed = [name for name in graphs if name not in files]
    if unhashed:
        raise ModelError("the bundle runs a graph without a hash", got=unhashed[0])
    return manifest, sha256


def _verify(folder: Path, name: str, expected: str) -> None:
    path = folder / name
    if Path(name).name != name or path.is_symlink() or not path.is_file():
        raise ModelError("a file of the bundle is missing", got=repr(name), cure="copy it again")
    if path.stat().st_size > LARGEST_FILE:
        raise ModelError("a file of the bundle is too large", got=repr(name))
    if sha256_of_file(path) != expected:
        raise ModelError(
            "a file of the bundle was changed or cut off",
            got=f"another hash of {name!r}",
            cure="get the bundle again from where it was published",
        )
