"""A plan of steps: transforms as data that travels in a recipe or a bundle and replays exactly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from fracturax.core.config import build
from fracturax.core.errors import ConfigError, UnknownNameError
from fracturax.core.image import Image, Step
from fracturax.core.provenance import sha256_of_document
from fracturax.transforms.axis_map import AxisMap
from fracturax.transforms.catalog import TRANSFORMS
from fracturax.transforms.transform import Transform, Transformed

_LARGEST_PLAN = 1 << 20


@dataclass(frozen=True)
class StepPlan:
    """Transforms in order, as data.

    Args:
        steps: Name and parameters of each transform; parameters that are not named have their
            defaults.

    Raises:
        UnknownNameError: If there is no such transform.
        ConfigError: If a parameter is unknown or not as it has to be.

    Example:
        >>> plan = StepPlan((Step("gamma", (("exponent", 2.0),)),))
        >>> plan == StepPlan.from_document(plan.as_document())
        True
    """

    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        _ = self.transforms

    @classmethod
    def of(cls, transforms: Sequence[Transform]) -> StepPlan:
        """Return the plan of some transforms."""
        return cls(tuple(one.step for one in transforms))

    @classmethod
    def of_history(cls, history: Sequence[Step]) -> StepPlan:
        """Return the plan that repeats what was done to an image after it was read.

        Args:
            history: Of the image; steps of reading come first and are left out.
        """
        first = len(history)
        while first > 0 and history[first - 1].name in TRANSFORMS:
            first -= 1
        return cls(tuple(history[first:]))

    @classmethod
    def from_document(cls, document: Any, *, where: str = "plan") -> StepPlan:
        """Return the plan that a JSON document states: `{"steps": [{"name", "parameters"}]}`.

        Raises:
            UnknownNameError: If there is no such transform.
            ConfigError: If the document is none, or a parameter is wrong.
        """
        return build(cls, document, where=where)

    @cached_property
    def transforms(self) -> tuple[Transform, ...]:
        """The transforms, built."""
        return tuple(
            build(
                TRANSFORMS.load(step.name),
                dict(step.parameters),
                where=f"step {number} ({step.name})",
            )
            for number, step in enumerate(self.steps, start=1)
        )

    def as_document(self) -> dict[str, Any]:
        """Return the plan as JSON-able data, every parameter stated."""
        whole = (transform.step for transform in self.transforms)
        return {
            "steps": [{"name": step.name, "parameters": dict(step.parameters)} for step in whole]
        }

    @property
    def sha256(self) -> str:
        """Hash of the plan with all parameters; equal hashes change an image alike."""
        return sha256_of_document(self.as_document())

    def apply(self, image: Image) -> Transformed:
        """Return the image after all steps, and where its pixels went.

        Raises:
            ImageError: If a step does not take what the one before it left.
        """
        axis_map = AxisMap.identity(image.pixels.shape)
        remarks = []
        for done in self.walk(image):
            image, axis_map = done.image, axis_map.then(done.axis_map)
            remarks += [done.remark] if done.remark else []
        return Transformed(image, axis_map, "; ".join(remarks))

    def walk(self, image: Image) -> Iterator[Transformed]:
        """Yield the image after each step; each map is of that step alone."""
        for transform in self.transforms:
            done = transform.apply(image)
            yield done
            image = done.image


def plan_names() -> dict[str, Path]:
    """Return the plans that come with the package, by name."""
    root = Path(str(files("fracturax.transforms"))) / "plans"
    return {path.stem: path for path in sorted(root.glob("*.json"))}


def load_plan(source: str | Path) -> StepPlan:
    """Read a plan, by the name of one that comes with the package or from a JSON file.

    Raises:
        UnknownNameError: If it is neither a known name nor a file, or names no known transform.
        ConfigError: If the file is no plan.

    Example:
        >>> [step.name for step in load_plan("ct-bone").steps]
        ['to_orientation', 'hu_window']
    """
    path = plan_names().get(str(source), Path(source))
    if not path.is_file():
        raise UnknownNameError("plan", str(source), plan_names())
    try:
        with path.open("rb") as stream:
            document = json.loads(stream.read(_LARGEST_PLAN))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path.name} is no readable plan",
            got=type(error).__name__,
            cure='give JSON: {"steps": [{"name": "clahe", "parameters": {"clip_limit": 2.0}}]}',
        ) from error
    return StepPlan.from_document(document, where=path.name)
