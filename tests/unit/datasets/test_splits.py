from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from fracturax.core.anatomy import REGIONS
from fracturax.core.case import Case, Polygon, Reference
from fracturax.core.errors import DataError
from fracturax.core.study import Study
from fracturax.datasets.passport import check_no_leak
from fracturax.datasets.splits import (
    drop_copies,
    group_folds,
    group_shares,
    hold_out_group,
    join_groups,
    regroup,
    repeated_folds,
    split_by_date,
)


def _never() -> Study:
    raise AssertionError("a split opens no film")


def _case(
    name: str, *, fracture: bool = False, outlines: int = 0, region: int = 0, key: str = ""
) -> Case:
    polygons = (Polygon(((0, 0), (1, 0), (0, 1))),) * outlines
    reference = Reference(fracture, polygons=polygons, regions=(REGIONS[region],))
    return Case(name, reference, key or name, _never)


def _many(count: int) -> tuple[list[Case], list[int]]:
    generator = np.random.default_rng(3)
    groups = np.sort(generator.integers(0, count // 8, count)).tolist()
    cases = [
        _case(f"c{index}", fracture=generator.random() < 0.2, region=group % 4)
        for index, group in enumerate(groups)
    ]
    return cases, groups


def test_a_chain_of_copies_is_one_group() -> None:
    assert join_groups("abcdef", [(0, 3), (3, 5), (5, 1)]) == [0, 0, 1, 0, 2, 0]


def test_groups_that_share_a_copy_become_one() -> None:
    keys = ["n0", "n0", "n2", "n2", "n4"]
    assert join_groups(keys, [(1, 2)]) == [0, 0, 0, 0, 1]


def test_joined_groups_are_the_connected_components_of_the_graph() -> None:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    generator = np.random.default_rng(0)
    pairs = generator.integers(0, 60, (35, 2))
    graph = coo_array((np.ones(35), (pairs[:, 0], pairs[:, 1])), shape=(60, 60))
    _, expected = connected_components(graph, directed=False)
    groups = join_groups(range(60), [(int(one), int(other)) for one, other in pairs])
    together = np.equal.outer(groups, groups)
    assert (together == np.equal.outer(expected, expected)).all()


def test_of_copies_the_one_with_most_outlines_is_kept() -> None:
    cases = [_case("a", fracture=True), _case("b", fracture=True, outlines=2), _case("c")]
    kept, dropped = drop_copies(cases, [(0, 1)])
    assert kept == [1, 2]
    assert [(case.name, case.reason) for case in dropped] == [("a", "copy of b")]


def test_of_equal_copies_the_first_is_kept() -> None:
    kept, _ = drop_copies([_case("a"), _case("b"), _case("c")], [(1, 2), (0, 2)])
    assert kept == [0]


def test_of_copies_with_contrary_labels_none_is_kept() -> None:
    cases = [_case("a", fracture=True), _case("b"), _case("c"), _case("d")]
    kept, dropped = drop_copies(cases, [(0, 1), (1, 2)])
    assert kept == [3]
    assert {case.name for case in dropped} == {"a", "b", "c"}
    assert {case.reason for case in dropped} == {"copies with contrary labels: a, b, c"}


def test_no_group_stands_in_two_folds_and_every_case_in_one() -> None:
    cases, groups = _many(400)
    split = group_folds(cases, groups, folds=4, seed=0)
    assert split.fold_of.keys() == {case.name for case in cases}
    folds = {(group, split.fold_of[case.name]) for case, group in zip(cases, groups, strict=True)}
    assert len(folds) == len(set(groups))
    check_no_leak(split, {case.name: group for case, group in zip(cases, groups, strict=True)})


def test_folds_are_balanced_by_size_and_label() -> None:
    cases, groups = _many(400)
    split = group_folds(cases, groups, folds=4, seed=0)
    sizes = Counter(split.fold_of.values())
    fractured = Counter(split.fold_of[case.name] for case in cases if case.reference.fracture)
    total = sum(fractured.values())
    assert all(80 <= sizes[fold] <= 120 for fold in range(4))
    assert all(0.75 * total / 4 <= fractured[fold] <= 1.25 * total / 4 for fold in range(4))


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    cases, groups = _many(400)
    one, again, other = (
        group_folds(cases, groups, folds=4, seed=seed).as_document() for seed in (0, 0, 1)
    )
    assert one == again
    assert one["sha256"] != other["sha256"]
    assert one["fold_of"] != other["fold_of"]


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(DataError, match="3 parts need 3 groups; got 2"):
        group_folds([_case("a"), _case("b")], [0, 1], folds=3, seed=0)


def test_shares_are_kept_and_named() -> None:
    cases, groups = _many(600)
    split = group_shares(cases, groups, shares={"train": 0.7, "valid": 0.1, "test": 0.2}, seed=4)
    sizes = Counter(split.part(case.name) for case in cases)
    for name, share in (("train", 0.7), ("valid", 0.1), ("test", 0.2)):
        assert abs(sizes[name] / 600 - share) < 0.03
    check_no_leak(split, {case.name: group for case, group in zip(cases, groups, strict=True)})
    with pytest.raises(DataError, match="sum to 1"):
        group_shares(cases, groups, shares={"train": 0.7, "test": 0.7}, seed=0)


def test_repeats_differ_and_each_is_its_seed_s() -> None:
    cases, groups = _many(200)
    repeats = repeated_folds(cases, groups, folds=3, repeats=3, seed=5)
    assert len({split.sha256 for split in repeats}) == 3
    assert repeats[2] == group_folds(cases, groups, folds=3, seed=7)


def test_what_is_tied_to_a_held_out_group_is_on_neither_side() -> None:
    cases = [
        replace(_case(name), group=group)
        for name, group in [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y"), ("e", None)]
    ]
    split = hold_out_group(cases, [0, 1, 1, 2, 3], held_out="y")
    parts = {name: split.part(name) for name in "abcde"}
    assert parts == {"a": "train", "b": "left out", "c": "test", "d": "test", "e": "train"}
    with pytest.raises(DataError, match="known: x, y"):
        hold_out_group(cases, [0, 1, 1, 2, 3], held_out="z")


def test_earlier_films_of_those_who_came_again_are_left_out() -> None:
    days = ["2020-01-01", "2020-06-01", "2021-01-01", "2021-01-02"]
    cases = [replace(_case(name), date=day) for name, day in zip("abcd", days, strict=True)]
    split = split_by_date(cases, [0, 1, 1, 2], first_test_day="2021-01-01")
    assert [split.part(name) for name in "abcd"] == ["train", "left out", "test", "test"]
    with pytest.raises(DataError, match="both sides"):
        split_by_date(cases, [0, 1, 1, 2], first_test_day="2030-01-01")
    with pytest.raises(DataError, match="date of every case"):
        split_by_date([_case("a"), *cases], [9, 0, 1, 1, 2], first_test_day="2021-01-01")


def test_joined_cases_share_a_key_that_does_not_name_their_group() -> None:
    cases = regroup([_case("a"), _case("b"), _case("c")], [0, 0, 1])
    keys = [case.patient_key for case in cases]
    assert keys[0] == keys[1] != keys[2]
    assert [case.name for case in cases] == ["a", "b", "c"]
