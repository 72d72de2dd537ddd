"""A fitted learner as two files, JSON and safetensors: nothing in them is ever executed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from fracturax.core.errors import ModelError
from fracturax.core.prediction import OperatingPoints
from fracturax.core.provenance import sha256_of_document
from fracturax.radiomics.learners import FittedLearner
from fracturax.radiomics.plan import RadiomicsPlan

DOCUMENT, ARRAYS = "learner.json", "learner.safetensors"
FORMAT = 1
_LARGEST_DOCUMENT, _LARGEST_ARRAYS = 4 << 20, 256 << 20


def save_learner(learner: FittedLearner, folder: Path) -> None:
    """Write a learner into a folder, which is made.

    Args:
        learner: What has learned.
        folder: Where `learner.json` and `learner.safetensors` come to lie.
    """
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(array) for name, array in learner.arrays.items()}
    save_file(arrays, folder / ARRAYS)
    document = {"format": FORMAT, "learner": learner.as_document(), "sha256": learner.sha256}
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    (folder / DOCUMENT).write_text(text, encoding="utf-8")


def load_learner(folder: Path) -> FittedLearner:
    """Read a learner that `save_learner` wrote.

    Raises:
        ModelError: If a file is missing or damaged, or was changed.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        if (folder / ARRAYS).stat().st_size > _LARGEST_ARRAYS:
            raise ValueError(f"{ARRAYS} is too large")
        with (folder / DOCUMENT).open("rb") as stream:
            document = json.loads(stream.read(_LARGEST_DOCUMENT))
        if document["format"] != FORMAT:
            raise ModelError("the learner has another format", got=str(document["format"]))
        stated = document["sha256"]
        learner = _learner(document["learner"], load_file(folder / ARRAYS))
    except ModelError:
        raise
    except (
        OSError, ValueError, KeyError, TypeError, IndexError, RecursionError, SafetensorError,
    ) as error:  # fmt: skip
        raise ModelError(
            f"{folder.name} holds no learner",
            got=type(error).__name__,
            cure="give a folder that fracturax wrote",
        ) from error
    if sha256_of_document(document["learner"]) != stated or learner.sha256 != stated:
        raise ModelError("the learner was changed after it was written", got="another hash")
    return learner


def _learner(document: dict[str, Any], arrays: dict[str, Any]) -> FittedLearner:
    plan = document["plan"]
    return FittedLearner(
        name=document["name"],
        feature_names=tuple(document["feature_names"]),
        selected=tuple(int(column) for column in document["selected"]),
        mean=np.asarray(document["mean"], np.float64),
        scale=np.asarray(document["scale"], np.float64),
        arrays=arrays,
        slope=float(document["slope"]),
        intercept=float(document["intercept"]),
        operating_points=OperatingPoints(
            high_sensitivity=float(document["high_sensitivity"]),
            high_specificity=float(document["high_specificity"]),
        ),
        plan=None if plan is None else RadiomicsPlan.from_document(plan),
        reads=document["reads"],
        facts=document["facts"],
        notes=tuple(document["notes"]),
    )
