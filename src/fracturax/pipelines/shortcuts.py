"""Shortcuts: how well each property that is no anatomy predicts the label of unseen films."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import fisher_exact

from fracturax.core.audit import Shortcut, Verdict
from fracturax.core.progress import Progress, silent
from fracturax.datasets.traits import TRAITS, Trait, Traits
from fracturax.evaluation import auroc, auroc_interval

NAMED_ABOVE = 0.55
"""A property is named a shortcut if its AUROC surely lies above this, and not by the anatomy alone.

Chance is 0.5, and what lies between the two is listed as weak. A hip is wider than a leg and
breaks at another rate, so width predicts the label through the anatomy; no cleaning takes that
away. So the AUROC among films of one region has to lie above the limit as well.
"""
LEVEL = 0.05
FOLDS = 5
_FEWEST = 20
_SMOOTHING = 2.0
_FEWEST_OF_CLASS = 5
_LEAVES_SHARE = 0.02
_NEIGHBOURS = 5
_MOST_COMMON = 20

Flags = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float64]

_NEIGHBOURHOOD = Trait(
    "neighbourhood",
    "Label rate of neighbouring numbers",
    "number",
    "keep neighbouring numbers on one side of every split",
)
_TOGETHER = Trait(
    "together",
    "Sum of all file traits",
    "number",
    "mend the shortcuts above, and audit again: this is what is left of them",
)
_RECORDED = frozenset({"number", "name_pattern", "folder"})


@dataclass(frozen=True, eq=False)
class LabelledFilm:
    """A film as far as shortcuts are concerned.

    Args:
        traits: Its traits.
        fracture: Its label.
        group: Films that share it are kept on one side: one patient, copies, neighbours.
        own: Films that share it are one patient or copies of one picture, whatever their number.
        series: What stands before its number in its name, with its folder; numbers are
            neighbours within it. None where the name holds no number.
        number: Its number.
        region: Part of the body it shows, or empty where the data set names none.
    """

    traits: Traits
    fracture: bool
    group: int
    own: int
    series: str | None = None
    number: int = 0
    region: str = ""


@dataclass(frozen=True)
class _Rule:
    """Films for which something holds, in words, and how many of them are fractured."""

    words: str
    films: int
    share: float
    other_share: float


@dataclass(frozen=True, eq=False)
class _Measured:
    """A trait with the score it gives each film, its rule, and which films are not independent."""

    trait: Trait
    score: Scores
    rule: _Rule
    group: npt.NDArray[np.int64]


def find_shortcuts(
    films: Sequence[LabelledFilm],
    *,
    named_above: float = NAMED_ABOVE,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[list[Shortcut], list[str]]:
    """Measure how well every trait predicts the label, each alone and all together.

    Each trait learns on four fifths of the films and predicts the rest; groups are never torn.
    The AUROC of these predictions has an interval that counts groups, not films. A trait is
    named if the interval that holds for all traits at once (Bonferroni) lies above
    `named_above`, and its AUROC among films of one region does too. The label rate of
    neighbouring numbers needs no learning: it is the share of fractured films among the five
    numbers on either side, the film's own patient and copies left out.

    Args:
        films: Readable films with a label.
        named_above: What the lower end has to exceed.
        seed: Seed of the folds.
        progress: Where to tell how far the work is.

    Returns:
        The traits, best predictor first, and notes on what could not be measured.
    """
    label = np.array([film.fracture for film in films], dtype=bool)
    group = np.array([film.group for film in films], dtype=np.int64)
    fewest = min(_groups_of(group[label]), _groups_of(group[~label]))
    if fewest < _FEWEST:
        words = (
            f"shortcuts were not measured: that takes {_FEWEST} independent films of either label, "
            f"and there are {fewest}"
        )
        return [], [words]
    fold = _folds(label, group, seed)
    measured: list[_Measured] = []
    varying = [trait for trait in TRAITS if _varies(trait, films)]
    for trait in progress(varying, "looking for shortcuts"):
        score, rule = _single(trait, films, label, group, fold, seed)
        measured.append(_Measured(trait, score, rule, group))
    neighbours = _neighbourhood(films, label)
    if neighbours is not None:
        measured.append(neighbours)
    if len(varying) > 1:
        together = _together(varying, films, label, fold, seed)
        measured.append(_Measured(_TOGETHER, together, _rule_above(together, label), group))
    region = np.unique([film.region for film in films], return_inverse=True)[1]
    shortcuts = [
        _judge(one, label, region, tests=len(measured), named_above=named_above) for one in measured
    ]
    return sorted(shortcuts, key=lambda one: (-one.surely_above, one.trait)), []


def _neighbourhood(films: Sequence[LabelledFilm], label: Flags) -> _Measured | None:
    """Measure how well the labels of the neighbouring numbers tell a film's own.

    None if there are no numbers, or so few films that an interval would mean nothing.
    """
    rates = neighbour_rates(films)
    if rates is None:
        return None
    runs = _runs(films)
    if min(_groups_of(runs[label]), _groups_of(runs[~label])) < _FEWEST:
        return None
    # Nothing is learned here: the rates of training films would hold the labels of the others.
    what = "share of fractured neighbours"
    if auroc(label, rates) < 0.5:
        rates, what = 1 - rates, "share of neighbours without a fracture"
    return _Measured(_NEIGHBOURHOOD, rates, _rule_above(rates, label, what), runs)


def _runs(films: Sequence[LabelledFilm]) -> npt.NDArray[np.int64]:
    """Return runs of neighbouring numbers, longer than the reach of a neighbour's label.

    Two neighbours count each other, so their scores are no more independent than their labels.
    """
    runs = np.arange(len(films), dtype=np.int64)
    for members in _series(films).values():
        for rank, index in enumerate(members):
            runs[index] = members[rank - rank % (4 * _NEIGHBOURS)]
    return runs


def _series(films: Sequence[LabelledFilm]) -> dict[str, list[int]]:
    """Return the films of each series, in the order of their numbers."""
    series: dict[str, list[int]] = {}
    for index, film in enumerate(films):
        if film.series is not None:
            series.setdefault(film.series, []).append(index)
    for members in series.values():
        members.sort(key=lambda index: films[index].number)
    return series


def neighbour_rates(films: Sequence[LabelledFilm], *, reach: int = _NEIGHBOURS) -> Scores | None:
    """Return the share of fractured films among the nearest numbers of each film.

    Films of its own patient and its own copies do not count: they are another matter.

    Args:
        films: The films.
        reach: How many neighbours count on either side.

    Returns:
        Shares in [0, 1], the overall share where there are no neighbours; None if fewer than half
        of the films have a number.

    Example:
        >>> films = [LabelledFilm(Traits(), number > 2, number, number, "IMG", number)
        ...          for number in range(6)]
        >>> neighbour_rates(films, reach=1).tolist()
        [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    """
    overall = float(np.mean([film.fracture for film in films]))
    series = _series(films)
    if 2 * sum(len(members) for members in series.values()) < len(films):
        return None
    rates = np.full(len(films), overall)
    for members in series.values():
        for place, index in enumerate(members):
            near: list[bool] = []
            for step in (-1, 1):
                near += _nearest(films, members, place, step, films[index].own, reach)
            if near:
                rates[index] = sum(near) / len(near)
    return rates


def _nearest(
    films: Sequence[LabelledFilm],
    members: Sequence[int],
    place: int,
    step: int,
    own: int,
    reach: int,
) -> list[bool]:
    """Return the labels of the next films in one direction that are of another group."""
    found: list[bool] = []
    place += step
    # A long run of one group ends the search: beyond it nothing is near.
    for _ in range(4 * reach):
        if not 0 <= place < len(members) or len(found) == reach:
            break
        if films[members[place]].own != own:
            found.append(films[members[place]].fracture)
        place += step
    return found


def auroc_within(label: Flags, score: Scores, stratum: npt.NDArray[np.int64]) -> float | None:
    """Return the AUROC of pairs of films of one stratum; None if there is one stratum only.

    Example:
        >>> label = np.array([False, True, False, True])
        >>> auroc_within(label, np.array([1.0, 1.0, 5.0, 6.0]), np.array([0, 0, 1, 1]))
        0.75
    """
    values = np.unique(stratum)
    if len(values) < 2:
        return None
    area = pairs = 0.0
    for value in values:
        inside = stratum == value
        positives = int(label[inside].sum())
        count = positives * (int(inside.sum()) - positives)
        if count:
            area += count * auroc(label[inside], score[inside].round(9))
            pairs += count
    return area / pairs if pairs else None


def _groups_of(groups: npt.NDArray[np.int64]) -> int:
    return len(np.unique(groups))


def _varies(trait: Trait, films: Sequence[LabelledFilm]) -> bool:
    return len({_value(trait, film) for film in films}) > 1


def _value(trait: Trait, film: LabelledFilm) -> str | float | None:
    if trait.kind == "class":
        return film.traits.classes.get(trait.name)
    return film.traits.numbers.get(trait.name)


def _folds(label: Flags, group: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Return the fold of each film: groups whole, the label spread evenly."""
    from sklearn.model_selection import StratifiedGroupKFold

    fold = np.zeros(len(label), dtype=np.int64)
    maker = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for number, (_, inside) in enumerate(maker.split(label[:, None], label, group)):
        fold[inside] = number
    return fold


def _single(
    trait: Trait,
    films: Sequence[LabelledFilm],
    label: Flags,
    group: npt.NDArray[np.int64],
    fold: npt.NDArray[np.int64],
    seed: int,
) -> tuple[Scores, _Rule]:
    """Return the cross-validated score of one trait, and the rule it follows."""
    if trait.kind == "class":
        values = [film.traits.classes.get(trait.name, "none") for film in films]
        _, codes = np.unique(values, return_inverse=True)
        return _rates_out_of_fold(codes, label, fold), _rule_of_class(trait, values, label)
    numbers = np.array([film.traits.numbers.get(trait.name, math.nan) for film in films])
    return _tree_out_of_fold(numbers, label, fold, seed), _rule_of_number(trait, numbers, label)


def _rates_out_of_fold(
    codes: npt.NDArray[np.int64], label: Flags, fold: npt.NDArray[np.int64]
) -> Scores:
    """Score each class by its share of fractured films in the other folds, smoothed."""
    score = np.zeros(len(label))
    count = int(codes.max()) + 1
    for number in range(FOLDS):
        inside = fold == number
        base = float(label[~inside].mean())
        films = np.bincount(codes[~inside], minlength=count)
        broken = np.bincount(codes[~inside], weights=label[~inside], minlength=count)
        # Less the base rate: it differs from fold to fold, and would rank folds, not films.
        rates = (broken + _SMOOTHING * base) / (films + _SMOOTHING) - base
        score[inside] = rates[codes[inside]]
    return score


def _tree_out_of_fold(
    numbers: Scores, label: Flags, fold: npt.NDArray[np.int64], seed: int
) -> Scores:
    """Score a number by a small tree, so that a window of values counts as well as a trend."""
    from sklearn.tree import DecisionTreeClassifier

    score = np.zeros(len(label))
    for number in range(FOLDS):
        inside = fold == number
        tree = DecisionTreeClassifier(
            max_leaf_nodes=8,
            min_samples_leaf=max(_FEWEST_OF_CLASS, round(_LEAVES_SHARE * (~inside).sum())),
            random_state=seed,
        )
        tree.fit(numbers[~inside, None], label[~inside])
        base = float(label[~inside].mean())
        score[inside] = tree.predict_proba(numbers[inside, None])[:, -1] - base
    return score


def _together(
    traits: Sequence[Trait],
    films: Sequence[LabelledFilm],
    label: Flags,
    fold: npt.NDArray[np.int64],
    seed: int,
) -> Scores:
    """Score by boosted trees on every trait that is recorded in the file itself, not its name."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    columns: list[Scores] = []
    is_class: list[bool] = []
    for trait in traits:
        if trait.name in _RECORDED:
            continue
        is_class.append(trait.kind == "class")
        if trait.kind == "number":
            columns.append(
                np.array([film.traits.numbers.get(trait.name, math.nan) for film in films])
            )
            continue
        values = [film.traits.classes.get(trait.name, "none") for film in films]
        common = [value for value, _ in Counter(values).most_common(_MOST_COMMON)]
        place = {value: float(index) for index, value in enumerate(common)}
        columns.append(np.array([place.get(value, float(len(common))) for value in values]))
    table = np.stack(columns, axis=1)
    score = np.zeros(len(label))
    for number in range(FOLDS):
        inside = fold == number
        model = HistGradientBoostingClassifier(
            max_iter=60,
            max_leaf_nodes=8,
            min_samples_leaf=_FEWEST_OF_CLASS,
            categorical_features=is_class,
            early_stopping=False,
            random_state=seed,
        )
        model.fit(table[~inside], label[~inside])
        base = float(label[~inside].mean())
        score[inside] = model.predict_proba(table[inside])[:, 1] - base
    return score


def _judge(
    measured: _Measured,
    label: Flags,
    region: npt.NDArray[np.int64],
    *,
    tests: int,
    named_above: float,
) -> Shortcut:
    """Put a number, its interval and a verdict on the score of a trait."""
    trait, score, rule = measured.trait, measured.score, measured.rule
    group = measured.group
    value, low, high = _interval(label, score, group, LEVEL)
    surely_above = _interval(label, score, group, LEVEL / tests)[1]
    within = auroc_within(label, score, region)
    verdict: Verdict = "harmless"
    if surely_above > named_above and (within is None or within > named_above):
        verdict = "shortcut"
    elif surely_above > 0.5 or (trait.kind == "class" and _is_rare_giveaway(rule, label, tests)):
        verdict = "weak"
    return Shortcut(
        trait=trait.name,
        title=trait.title,
        auroc=value,
        low=low,
        high=high,
        surely_above=surely_above,
        within_region=within,
        films=len(label),
        verdict=verdict,
        rule=rule.words,
        rule_share=rule.share,
        rule_films=rule.films,
        other_share=rule.other_share,
        cure=trait.cure,
    )


def _interval(
    label: Flags, score: Scores, group: npt.NDArray[np.int64], tail: float
) -> tuple[float, float, float]:
    """Return the AUROC and its interval at level `1 - tail`, groups counted."""
    # Scores that differ by rounding alone are ties.
    row = auroc_interval(label, score.round(9), level=1 - tail, groups=group)
    if row.low is not None and row.high is not None:
        return row.value, row.low, row.high
    # All pairs in order (or all tied): the chance that none of k groups shows an error that
    # a share of 1 - low of them has is low ** k.
    fewest = min(_groups_of(group[label]), _groups_of(group[~label]))
    low = (tail / 2) ** (1 / fewest)
    if row.value == 1:
        return 1.0, low, 1.0
    return (0.0, 0.0, 1 - low) if row.value == 0 else (row.value, row.value, row.value)


def _is_rare_giveaway(rule: _Rule, label: Flags, tests: int) -> bool:
    """Whether a rule that holds for too few films to move the AUROC still holds beyond chance."""
    broken = round(rule.share * rule.films)
    cells = [
        [broken, rule.films - broken],
        [int(label.sum()) - broken, int((~label).sum()) - rule.films + broken],
    ]
    if min(min(row) for row in cells) < 0:
        return False
    # A class is chosen among many for standing out: hence a limit far below the usual one.
    return bool(fisher_exact(np.array(cells)).pvalue < 0.001 * LEVEL / tests)


def _rule_of_class(trait: Trait, values: Sequence[str], label: Flags) -> _Rule:
    """Return the class that says most about the label."""
    array = np.array(values)
    rules = [
        _rule(f"{_inside(trait.title)} {value}", array == value, label)
        for value, films in Counter(values).most_common(200)
        if films >= min(_FEWEST_OF_CLASS, len(values) // 2)
    ]
    return max(rules, key=lambda rule: _weight(rule, label), default=_rule("", array == "", label))


def _rule_of_number(trait: Trait, numbers: Scores, label: Flags) -> _Rule:
    """Return the window of values that says most about the label."""
    from sklearn.tree import DecisionTreeClassifier

    leaf = max(_FEWEST_OF_CLASS, round(_LEAVES_SHARE * len(label)))
    tree = DecisionTreeClassifier(max_leaf_nodes=4, min_samples_leaf=leaf, random_state=0)
    tree.fit(numbers[:, None], label)
    cuts = sorted({float(cut) for cut in tree.tree_.threshold[tree.tree_.children_left >= 0]})
    place = np.searchsorted(cuts, numbers, side="left")
    known = np.isfinite(numbers)
    ends = [-math.inf, *cuts, math.inf]
    rules = []
    for first in range(len(cuts) + 1):
        for last in range(first, len(cuts) + 1):
            holds = known & (place >= first) & (place <= last)
            if leaf <= holds.sum() < len(label):
                inside = numbers[holds]
                words = _window(trait, ends[first], ends[last + 1], inside.min(), inside.max())
                rules.append(_rule(words, holds, label))
    nothing = _rule(_inside(trait.title), known, label)
    return max(rules, key=lambda rule: _weight(rule, label), default=nothing)


def _window(trait: Trait, low: float, high: float, smallest: float, largest: float) -> str:
    """Say a window of values by values that occur in it."""
    title = _inside(trait.title)
    if low == -math.inf:
        return f"{title} up to {_number(largest)}{trait.unit}"
    if high == math.inf:
        return f"{title} from {_number(smallest)}{trait.unit}"
    if smallest == largest:
        return f"{title} {_number(smallest)}{trait.unit}"
    return f"{title} {_number(smallest)} to {_number(largest)}{trait.unit}"


def _number(value: float) -> str:
    return _count(round(value)) if abs(value) >= 100 else f"{value:.3g}"


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _inside(title: str) -> str:
    """Return a title as it stands inside a sentence."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _rule_above(score: Scores, label: Flags, what: str | None = None) -> _Rule:
    """Return the upper part of a score that says most about the label.

    Args:
        score: The score.
        label: The labels.
        what: What the score is a share of; None for a score without a meaning of its own.
    """
    rules = []
    for quantile in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
        # A value that occurs: the films from it on are the same on every machine.
        cut = float(np.quantile(score, quantile, method="higher"))
        holds = score >= cut
        if 0 < holds.sum() < len(label):
            words = (
                f"the {_percent(float(holds.mean()))} of films with the highest score"
                if what is None
                else f"{what} from {_percent(cut)}"
            )
            rules.append(_rule(words, holds, label))
    nothing = _rule(what or "their score", np.ones_like(label), label)
    return max(rules, key=lambda rule: _weight(rule, label), default=nothing)


def _rule(words: str, holds: Flags, label: Flags) -> _Rule:
    films, others = int(holds.sum()), int((~holds).sum())
    share = float(label[holds].mean()) if films else 0.0
    other = float(label[~holds].mean()) if others else 0.0
    said = f"{words}: {_percent(share)} of {_count(films)} films are fractured" + (
        f", {_percent(other)} of the other {_count(others)}" if others else ""
    )
    return _Rule(said, films, share, other)


def _weight(rule: _Rule, label: Flags) -> tuple[float, float]:
    """Return how much a rule says: the chi-squared of its two-by-two table."""
    total, broken = len(label), int(label.sum())
    others = total - rule.films
    if not others or not rule.films or broken in (0, total):
        return 0.0, 0.0
    base = broken / total
    apart = (rule.share - rule.other_share) ** 2 * rule.films * others / total
    # Of two sides of one cut the purer: "all of 18 films" says more than "19 % of 982".
    return round(apart / (base * (1 - base)), 6), abs(rule.share - base)
