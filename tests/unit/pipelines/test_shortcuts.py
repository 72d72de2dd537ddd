"""A property that tells the label is named, and one that does not is not."""

import numpy as np
import pytest

from fracturax.datasets.traits import Traits
from fracturax.pipelines.shortcuts import LabelledFilm, find_shortcuts, neighbour_rates


def _films(
    generator: np.random.Generator, *, films: int = 400, told: float = 0.0, group: int = 1
) -> list[LabelledFilm]:
    """Return films of which a share has the label in the mode; the size is drawn at random."""
    made = []
    for number in range(films):
        fracture = bool(generator.random() < 0.3)
        tells = generator.random() < told
        mode = "RGB" if (fracture if tells else generator.random() < 0.5) else "L"
        size = f"{generator.integers(3)} x 9"
        traits = Traits(
            {"mode": mode, "size": size},
            {"bytes": float(generator.normal()), "quality": 80.0 + 10 * (mode == "L")},
        )
        made.append(LabelledFilm(traits, fracture, number // group, number, "IMG", number))
    return made


def _by_trait(films: list[LabelledFilm]) -> dict[str, object]:
    shortcuts, notes = find_shortcuts(films)
    assert notes == []
    return {one.trait: one for one in shortcuts}


def test_a_shortcut_on_most_films_is_named_by_class_and_by_number() -> None:
    found, _ = find_shortcuts(_films(np.random.default_rng(0), told=0.7))
    shortcuts = {one.trait: one for one in found}
    for trait in ("mode", "quality", "together"):
        assert shortcuts[trait].verdict == "shortcut"
        # Seven tenths are told, the rest is a coin: 0.85 of either class is on its side.
        assert shortcuts[trait].auroc == pytest.approx(0.85, abs=0.06)
        assert shortcuts[trait].low < 0.85 < shortcuts[trait].high
    assert "colour mode" in shortcuts["mode"].rule
    assert "JPEG quality" in shortcuts["quality"].rule
    for trait in ("size", "bytes"):
        assert shortcuts[trait].verdict == "harmless"
    assert found[0].trait in ("mode", "quality", "together")


def test_films_that_nothing_tells_have_no_shortcut_in_twenty_draws() -> None:
    for seed in range(20):
        found, _ = find_shortcuts(_films(np.random.default_rng(seed), films=200))
        assert {one.verdict for one in found} == {"harmless"}


def test_what_follows_the_region_alone_is_weak_and_not_a_shortcut() -> None:
    generator = np.random.default_rng(1)
    films = []
    for number in range(800):
        is_hip = bool(generator.random() < 0.5)
        fracture = bool(generator.random() < (0.1 if is_hip else 0.6))
        traits = Traits({"size": "wide" if is_hip else "high", "mode": str(generator.integers(2))})
        region = "hip" if is_hip else "leg"
        films.append(LabelledFilm(traits, fracture, number, number, None, 0, region))
    found, _ = find_shortcuts(films)
    size = next(one for one in found if one.trait == "size")
    assert size.surely_above > 0.6
    assert size.within_region == pytest.approx(0.5, abs=0.05)
    assert size.verdict == "weak"


def test_groups_that_share_label_and_property_widen_the_interval() -> None:
    generator = np.random.default_rng(2)
    labels = generator.random(80) < 0.5
    modes = np.where(generator.random(80) < 0.7, labels, ~labels)
    films = [
        LabelledFilm(
            Traits({"mode": str(modes[number // 10]), "size": str(number % 3)}),
            bool(labels[number // 10]),
            number // 10,
            number,
        )
        for number in range(800)
    ]
    grouped = next(one for one in find_shortcuts(films)[0] if one.trait == "mode")
    alone = [
        LabelledFilm(film.traits, film.fracture, number, number)
        for number, film in enumerate(films)
    ]
    single = next(one for one in find_shortcuts(alone)[0] if one.trait == "mode")
    assert grouped.high - grouped.low > 2 * (single.high - single.low)


def test_a_rare_class_that_gives_a_few_films_away_is_weak() -> None:
    generator = np.random.default_rng(3)
    films = []
    for number in range(1000):
        fracture = bool(generator.random() < 0.2)
        is_odd = fracture and generator.random() < 0.1
        traits = Traits({"mode": "CMYK" if is_odd else "L", "size": str(number % 4)})
        films.append(LabelledFilm(traits, fracture, number, number))
    mode = next(one for one in find_shortcuts(films)[0] if one.trait == "mode")
    assert mode.verdict == "weak"
    assert mode.rule.startswith("colour mode CMYK: 100 % of ")


def test_labels_that_come_in_runs_show_in_the_neighbours() -> None:
    films = [
        LabelledFilm(Traits({"mode": str(number % 2)}), number // 15 % 2 == 1, number, number,
                     "IMG", number)
        for number in range(1200)
    ]  # fmt: skip
    found, _ = find_shortcuts(films)
    neighbourhood = next(one for one in found if one.trait == "neighbourhood")
    assert neighbourhood.verdict == "shortcut"
    assert neighbourhood.auroc > 0.9


def test_ones_own_copies_are_no_neighbours() -> None:
    films = [
        LabelledFilm(Traits(), number < 6, 0, number // 6, "IMG", number) for number in range(12)
    ]
    rates = neighbour_rates(films)
    assert rates is not None
    # Of another patient's films all have the contrary label.
    assert rates[:6].max() == 0
    assert rates[6:].min() == 1


def test_too_few_groups_are_a_note_and_no_number() -> None:
    found, notes = find_shortcuts(_films(np.random.default_rng(0), films=200, group=10))
    assert found == []
    assert "independent films" in notes[0]
