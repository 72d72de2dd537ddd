"""`fracturax preprocess` as a user meets it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fracturax.example import example_study_folder

LEG = example_study_folder() / "leg"


def test_a_plan_of_ones_own_is_followed_and_told_as_json(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    steps = [{"name": "clahe", "parameters": {"clip_limit": 3}}, {"name": "to_size"}]
    plan.write_text(json.dumps({"steps": steps}))
    answer = command("preprocess", "--plan", plan, LEG, tmp_path / "out", "--json")
    assert answer.code == 0, answer.err
    document = json.loads(answer.out)
    image = document["images"][0]
    assert image["shape"] == [512, 512]
    assert image["plan_sha256"] == document["plan_sha256"]
    assert all(Path(file).is_file() for file in image["files"])
    assert {Path(file).name for file in image["files"]} >= {"leg_ap.png", "leg_ap.sheet.html"}


def test_plans_and_transforms_are_listed(command: Callable[..., Any]) -> None:
    answer = command("preprocess", "--list", "--json")
    listed = json.loads(answer.out)
    assert {"film", "ct-bone"} <= listed["plans"].keys()
    assert "wavelet" in {one["name"] for one in listed["transforms"]}


def test_without_the_imaging_extra_it_says_what_to_install(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "skimage.restoration", None)
    answer = command("preprocess", "--plan", "denoise", LEG, tmp_path / "out")
    assert answer.code == 8
    assert 'pip install "fracturax[imaging]"' in answer.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((LEG,), 8, "where to write"),
        (("--plan", "flim", LEG, "out"), 9, "did you mean 'film'"),
        (("--plan", "ct-bone", LEG, "out"), 3, "does not take a film"),
        (("nowhere.png", "out"), 3, "no such file"),
    ],
)
def test_a_mistake_is_a_sentence_and_an_exit_code(
    command: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[object, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = command("preprocess", *arguments)
    assert answer.code == code
    assert said in answer.err.replace("\n", " ")
    assert "Traceback" not in answer.err
