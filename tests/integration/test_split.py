"""`fracturax split`: the same command gives the same passport, and a training keeps to it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fracturax.datasets.passport import Split
from tiny_release import write_release

Command = Callable[..., Any]


def test_the_same_release_and_seed_give_the_same_passport(
    tiny_release: Path, command: Command, tmp_path: Path
) -> None:
    said = []
    for name in ("one.json", "other.json"):
        answer = command(
            *("split", tiny_release, "--dataset", "fracatlas", "--folds", "4", "--seed", "5"),
            *("--out", tmp_path / name, "--json"),
        )
        assert answer.code == 0, answer.err
        said.append(json.loads(answer.out)["splits"][0]["sha256"])
    assert said[0] == said[1] == Split.read(tmp_path / "one.json").sha256
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "other.json").read_bytes()


def test_shares_and_repeats_are_written(
    tiny_release: Path, command: Command, tmp_path: Path
) -> None:
    base = ("split", tiny_release, "--dataset", "fracatlas")
    shares = command(*base, "--shares", "train=0.6,test=0.4", "--out", tmp_path / "s.json")
    assert shares.code == 0, shares.err
    assert Split.read(tmp_path / "s.json").parts == ("train", "test")
    repeats = command(*base, "--folds", "2", "--repeats", "2", "--out", tmp_path / "r.json")
    assert repeats.code == 0, repeats.err
    seeds = [Split.read(tmp_path / f"r-{number}.json").seed for number in range(2)]
    assert seeds == [0, 1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--folds", "2", "--hold-out", "x"), "one rule"),
        ((), "one rule"),
        (("--shares", "train:0.6"), "written as"),
        (("--hold-out", "x"), "names no groups"),
        (("--test-from", "2020-01-01"), "date of every case"),
        (("--folds", "2", "--clean", "none.csv"), "clean list cannot be read"),
    ],
)
def test_a_split_that_cannot_be_made_is_a_sentence(
    tiny_release: Path, command: Command, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    answer = command(
        *("split", tiny_release, "--dataset", "fracatlas", "--out", tmp_path / "s.json"), *options
    )
    assert answer.code != 0
    assert words in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "s.json").exists()


@pytest.mark.timeout(900)
def test_a_training_keeps_to_a_passport_and_refuses_another_release_s(
    tiny_release: Path, run_folder: Path, command: Command, tmp_path: Path
) -> None:
    recipe = (run_folder.parents[1] / "tiny.toml").read_text().partition("[closer")[0]
    (tmp_path / "peer.toml").write_text(recipe.replace('"xray"', '"classifier"'))
    passport = tmp_path / "s.json"
    made = command(
        *("split", tiny_release, "--dataset", "fracatlas", "--out", passport),
        *("--shares", "train=0.7,test=0.3"),
    )
    assert made.code == 0, made.err
    run = ("train", tmp_path / "peer.toml", "--max-steps", "1", "--split", passport, "--json")
    answer = command(*run, "--root", tiny_release, "--out", tmp_path / "runs")
    assert answer.code == 0, answer.err
    predictions = Path(json.loads(answer.out)["predictions"]).read_text().splitlines()[1:]
    split = Split.read(passport)
    tested = {name for name in split.fold_of if split.part(name) == "test"}
    assert {line.partition(",")[0] for line in predictions} == tested

    other = write_release(tmp_path / "other", films=24, seed=9)
    refused = command(*run, "--root", other, "--out", tmp_path / "runs2")
    assert refused.code != 0
    assert "not of these cases" in refused.err
