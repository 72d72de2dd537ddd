from pathlib import Path

import numpy as np
import pytest

from fracturax.core.errors import ImageError
from fracturax.datasets import open_dataset
from fracturax.datasets.copies import find_copies
from fracturax.datasets.fingerprints import fingerprint
from fracturax.datasets.splits import (
    check_no_leak,
    drop_copies,
    group_folds,
    join_groups,
)

# The release puts copies of one examination more than a thousand numbers apart, one of them
# with the contrary label, and holds files that are cut off.
NUMBERS = {*range(2880, 2894), *range(4240, 4258)}
COPIES = {("IMG0002882", "IMG0004245"), ("IMG0002883", "IMG0004244")}
CONTRARY = {"IMG0002886", "IMG0004243"}
CUT = {"IMG0004251", "IMG0004255"}


@pytest.mark.shared_data
def test_the_release_as_it_is_kept_here_loads_whole(shared_data: Path) -> None:
    cases = open_dataset("fracatlas", root=shared_data / "fracatlas")
    assert len(cases) == 3659
    marked = [case for case in cases if case.reference.fracture and case.reference.boxes]
    assert sum(case.reference.fracture for case in cases) == len(marked)
    assert all(case.reference.regions for case in cases)


@pytest.mark.shared_data
def test_copies_and_neighbours_of_the_real_release_stay_together(shared_data: Path) -> None:
    every = open_dataset("fracatlas", root=shared_data / "fracatlas")
    cases, films, cut = [], [], set()
    for case in every:
        if int(case.name[3:]) in NUMBERS:
            try:
                films.append(case.open().radiographs[0])
                cases.append(case)
            except ImageError:
                cut.add(case.name)
    assert cut >= CUT
    prints = [fingerprint(np.round(film.pixels * 255).astype(np.uint8)) for film in films]
    pairs = [(pair.one, pair.other) for pair in find_copies(prints)]
    names = {(cases[one].name, cases[other].name) for one, other in pairs}
    assert names >= COPIES
    _, dropped = drop_copies(cases, pairs)
    assert {case.name for case in dropped} >= CONTRARY

    # The split of all films, with the copies known so far.
    index = {case.name: number for number, case in enumerate(every)}
    links = [(index[one], index[other]) for one, other in names]
    groups = join_groups([case.patient_key for case in every], links)
    split = group_folds(every, groups, folds=3, seed=0)
    check_no_leak(split, {case.name: group for case, group in zip(every, groups, strict=True)})
    for one, other in names:
        assert split.fold_of[one] == split.fold_of[other]
    by_neighbourhood: dict[str, set[int]] = {}
    for case in every:
        by_neighbourhood.setdefault(case.patient_key, set()).add(split.fold_of[case.name])
    assert all(len(folds) == 1 for folds in by_neighbourhood.values())
