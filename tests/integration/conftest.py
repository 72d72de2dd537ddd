from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

if TYPE_CHECKING:
    from fracturax.models.bundle import Bundle

RECIPE = """
name = "tiny"
[data]
dataset = "fracatlas"
folds = 2
inner_share = 0.3
[network]
name = "xray"
weights = "random"
width = 16
[plan]
rows = 64
columns = 64
[augmentation]
rotation_degrees = 5
scale = 0.05
[optimizer]
batch_size = 8
epochs = 6
epoch_films = 80
learning_rate = 1e-2
precision = "32-true"
"""
CLOSER = """
[closer]
widths = [0.9, 1.1]
[closer.window]
size = 48
[closer.network]
name = "xray"
backbone = "mobilenet_v2_fine"
weights = "random"
width = 16
[closer.optimizer]
batch_size = 8
epochs = 4
epoch_films = 80
learning_rate = 1e-2
precision = "32-true"
"""
SECOND = """
[second.network]
name = "classifier"
weights = "random"
[second.optimizer]
batch_size = 8
epochs = 1
epoch_films = 8
precision = "32-true"
"""


@dataclass(frozen=True)
class Answer:
    """What a command said: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def run_command(*arguments: str | Path) -> Answer:
    """Run `fracturax` as the shell would, in this process."""
    from fracturax.cli.app import run

    out, err, code = StringIO(), StringIO(), 0
    command = ["fracturax", *map(str, arguments)]
    with patch.object(sys, "argv", command), redirect_stdout(out), redirect_stderr(err):
        try:
            run()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Answer(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def command() -> Callable[..., Answer]:
    """The command line."""
    return run_command


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from threads, and lose much where cores are busy."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def run_folder(
    tiny_release: Path, one_thread: None, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The run of `fracturax train` with a tiny recipe; takes most of the time of these tests."""
    folder = tmp_path_factory.mktemp("train")
    (folder / "tiny.toml").write_text(RECIPE + CLOSER + SECOND)
    # Sixty-four films are for the ranges of real ones; these are all alike.
    with patch("fracturax.pipelines.publish._QUANTIZATION_FILMS", 8):
        answer = run_command(
            *("train", folder / "tiny.toml", "--root", tiny_release, "--out", folder / "runs"),
            *("--version-name", "3"),
        )
    assert answer.code == 0, answer.err
    return folder / "runs" / "tiny"


@pytest.fixture(scope="session")
def bundle(run_folder: Path) -> Bundle:
    """The bundle that `fracturax train` wrote."""
    from fracturax.models.bundle import load_bundle

    return load_bundle(run_folder / "bundle")
