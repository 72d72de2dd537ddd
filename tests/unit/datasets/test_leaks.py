"""What a split tears apart."""

from fracturax.datasets.leaks import SplitFilm, find_leaks


def _pairs(films: list[SplitFilm], sides: dict[str, str]) -> set[tuple[str, str, str]]:
    leaks = find_leaks("mine", {name: (side,) for name, side in sides.items()}, films)
    return {(leak.kind, leak.one, leak.other) for leak in leaks}


def test_a_group_on_one_side_is_no_leak() -> None:
    films = [SplitFilm("a", "a", 0, "p"), SplitFilm("b", "b", 0, "p"), SplitFilm("c", "c", 1, "q")]
    assert _pairs(films, {"a": "train", "b": "train", "c": "test"}) == set()


def test_copies_and_patients_on_two_sides_are_told_once() -> None:
    films = [SplitFilm("a", "a", 0, "p"), SplitFilm("b", "b", 0, "p"), SplitFilm("c", "c", 1, "p")]
    sides = {"a": "train", "b": "test", "c": "test"}
    assert _pairs(films, sides) == {("copy", "a", "b"), ("patient", "a", "c")}


def test_copies_torn_through_a_third_that_is_in_no_split_are_told() -> None:
    films = [SplitFilm(name, name, 0) for name in "abc"]
    assert _pairs(films, {"a": "train", "c": "test"}) == {("copy", "a", "c")}


def test_neighbours_count_only_where_no_patient_is_known() -> None:
    unknown = [SplitFilm(f"f{n}", f"f{n}", n, None, "f", n) for n in (1, 2, 4)]
    sides = {"f1": "train", "f2": "test", "f4": "train"}
    assert _pairs(unknown, sides) == {("neighbour", "f1", "f2")}
    known = [SplitFilm(f"f{n}", f"f{n}", n, f"p{n}", "f", n) for n in (1, 2, 4)]
    assert _pairs(known, sides) == set()


def test_a_film_on_two_sides_leaks_by_itself() -> None:
    (leak,) = find_leaks("mine", {"a": ("train", "test")}, [SplitFilm("a", "a", 0)])
    assert (leak.kind, leak.one_side, leak.other_side) == ("film", "train", "test")
