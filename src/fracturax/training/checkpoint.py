"""Checkpoints without pickle: safetensors for every tensor, JSON for the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import lightning.pytorch as pl
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fracturax.core.errors import ConfigError
from fracturax.core.provenance import sha256_of_document

if TYPE_CHECKING:
    from fracturax.training.loop import TrainingModule

_TENSORS, _STATE = "checkpoint.safetensors", "checkpoint.json"


@dataclass(frozen=True)
class Resumed:
    """How far a stopped run had come, and the moments of its optimizer."""

    epochs: int = 0
    is_finished: bool = False
    moments: dict[str, Tensor] = field(default_factory=dict)


class Checkpoints(pl.Callback):
    """Writes a checkpoint after every epoch, and stops when the inner loss stays up."""

    def __init__(self, folder: Path, stage: str, *, resumed: Resumed, patience: int) -> None:
        self.folder, self.stage = folder, stage
        self.resumed, self.patience = resumed, patience

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the optimizer its moments back where a run goes on."""
        if self.resumed.moments:
            _restore_moments(trainer.optimizers[0], self.resumed.moments)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the checkpoint; a run killed at any moment keeps the last whole one."""
        module = cast("TrainingModule", pl_module)
        module.close_epoch()
        self._write(module, _moments(trainer.optimizers[0]), is_finished=False)
        losses = [row["inner_loss"] for row in module.curves if "inner_loss" in row]
        # No inner loss yet where a run is cut short within its first epoch.
        if (
            self.patience
            and losses
            and len(losses) - 1 - losses.index(min(losses)) >= self.patience
        ):
            trainer.should_stop = True

    def finish(self, module: TrainingModule) -> None:
        """Mark the run as finished; the optimizer's moments are no longer needed."""
        self._write(module, {}, is_finished=True)

    def _write(
        self, module: TrainingModule, moments: dict[str, Tensor], *, is_finished: bool
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"network.{name}": value for name, value in module.network.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in module.kept.state_dict().items()}
        tensors |= moments
        state = {
            "recipe_sha256": self.stage,
            "steps": module.steps_done,
            "is_finished": is_finished,
            "curves": module.curves,
        }
        packed = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        unfinished = self.folder / f"{_TENSORS}.part"
        save_file(packed, unfinished, metadata={"state": json.dumps(state)})
        unfinished.replace(self.folder / _TENSORS)
        (self.folder / _STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")


def read_checkpoint(folder: Path, module: TrainingModule, stage: str) -> Resumed:
    """Load the last checkpoint of a run into its module, if there is one.

    Raises:
        ConfigError: If the folder holds the run of another recipe.
    """
    path = folder / _TENSORS
    if not path.is_file():
        return Resumed()
    state = _state_of(path)
    if state["recipe_sha256"] != stage:
        raise ConfigError(
            f"{folder} holds a run of another recipe, or one cut short",
            got=state["recipe_sha256"][:12],
            cure="give another --out, or delete the folder to train anew",
        )
    tensors = load_file(path)
    for part, network in (("network.", module.network), ("average.", module.kept)):
        network.load_state_dict(
            {name[len(part) :]: value for name, value in tensors.items() if name.startswith(part)}
        )
    module.curves = list(state["curves"])
    module.steps_done = module.resumed_at = int(state["steps"])
    moments = {name: value for name, value in tensors.items() if name.startswith("moment.")}
    return Resumed(len(module.curves), bool(state["is_finished"]), moments)


def stage_sha256(stage: Mapping[str, Any], max_steps: int | None = None) -> str:
    """Hash the recipe of one stage; which stage follows it does not count, being cut short does."""
    document = {key: value for key, value in stage.items() if value is not None}
    if max_steps is not None:
        document["max_steps"] = max_steps
    return sha256_of_document(document)


def _state_of(path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    # The state travels with the tensors: two files could be of two epochs after a power cut.
    with safe_open(path, framework="pt") as stream:
        state: dict[str, Any] = json.loads(stream.metadata()["state"])
        return state


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    return {
        f"moment.{index}.{name}": torch.as_tensor(value)
        for index, parameter in enumerate(parameters)
        for name, value in optimizer.state[parameter].items()
    }


def _restore_moments(optimizer: torch.optim.Optimizer, moments: dict[str, Tensor]) -> None:
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    for key, value in moments.items():
        _, index, name = key.split(".", 2)
        parameter = parameters[int(index)]
        moved = value.to(parameter.device) if name != "step" else value
        optimizer.state[parameter][name] = moved
