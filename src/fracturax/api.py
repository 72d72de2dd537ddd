"""The public verbs that take plain paths and names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from fracturax.core.case import Case
from fracturax.core.errors import MissingExtraError
from fracturax.core.prediction import Predictor
from fracturax.core.study import Study

if TYPE_CHECKING:
    from fracturax.core.audit import Audit
    from fracturax.evaluation import Evaluation
    from fracturax.models.bundle import Bundle
    from fracturax.models.runtime import XrayPredictor
    from fracturax.models.volume_reader import VolumePredictor


def open(path: str | Path) -> Study:
    """Open the one study at a path: a file, a folder, a zip or a DICOMDIR.

    Raises:
        UnreadableImageError: If nothing there can be read.
        ConfigError: If there are several studies.
    """
    from fracturax.imaging import open_study

    return open_study(Path(path))


@overload
def load(
    model: Literal["xray"] = "xray", *, precision: str | None = None, threads: int = 0
) -> XrayPredictor: ...
@overload
def load(
    model: str | Path, *, precision: str | None = None, threads: int = 0
) -> XrayPredictor | VolumePredictor: ...
def load(
    model: str | Path = "xray", *, precision: str | None = None, threads: int = 0
) -> XrayPredictor | VolumePredictor:
    """Load a model: the name of one that comes with the package, or a bundle's folder.

    Args:
        model: Name or folder; `xray` reads radiographs, `ct` reads CT.
        precision: Graph to run; the bundle's default if None.
        threads: Threads of one inference; 0 takes all cores.

    Raises:
        UnknownNameError: If there is no such model, or it has no such precision.
        ModelError: If the bundle is damaged or was changed.
    """
    from fracturax.models.readers import load_reader

    return load_reader(model, precision=precision, threads=threads)


def audit(
    root: str | Path,
    *,
    dataset: str = "auto",
    split: str | Path | None = None,
    out: str | Path | None = None,
) -> Audit:
    """Find what is wrong with a data set: damage, copies, contradictions, shortcuts, leaks.

    Nothing of it is changed.

    Args:
        root: The data set's folder.
        dataset: Name of its layout, or `auto` to recognize it.
        split: A split to check for leaks: JSON with `fold_of`, the fold of each film by name.
        out: Folder for the page `audit.html` and `audit.json`; nothing is written if None.

    Raises:
        DataError: If there is no such folder, or no image in it.
        ConfigError: If the split cannot be read.
    """
    from fracturax.pipelines.audit import audit as examine
    from fracturax.pipelines.audit import write_audit

    found = examine(root, dataset=dataset, split=split)
    if out is not None:
        write_audit(found, root=root, out=out)
    return found


def evaluate(model: Predictor, cases: Sequence[Case]) -> Evaluation:
    """Return every number of a model on cases whose truth is known, with its 95 % interval.

    Raises:
        LeakageError: If the model was trained on one of the cases.
    """
    from fracturax.pipelines.evaluate import evaluate as judge

    return judge(model, cases).evaluation


def train(
    recipe: str | Path, *, root: str | Path, out: str | Path = "runs", version: str = "0"
) -> Bundle:
    """Train a recipe on a data set, cross-validated, and return its calibrated bundle.

    Args:
        recipe: TOML file.
        root: Folder of the data set.
        out: Folder for the run; the bundle lies in `<out>/<name>/bundle`.
        version: Version of the bundle.

    Raises:
        MissingExtraError: If the `train` extra is not installed.
        ConfigError: If the recipe is wrong.
        DataError: If the data set cannot be read.
    """
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", verb="train") from error
    from fracturax.pipelines.publish import train_bundle
    from fracturax.training.recipe import load_recipe

    return train_bundle(load_recipe(Path(recipe)), root=Path(root), out=Path(out), version=version)
