"""What every data set obeys, public or one's own."""

import dataclasses
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fracturax.core.case import Case
from fracturax.core.errors import DataError, ImageError
from fracturax.datasets import DATASETS, open_dataset, recognize
from fracturax.imaging.guard import DEFAULT_LIMITS
from fracturax.imaging.header import read_header
from fracturax.imaging.source import FileSource
from tiny_layouts import BUILDERS, PATIENTS, SALT, UNLABEL, Truth

every = pytest.mark.parametrize("name", list(DATASETS))


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Truth]]]:
    """One data set a layout; read only."""
    made = {}
    for name, build in BUILDERS.items():
        root = tmp_path_factory.mktemp(name) / "data"
        made[name] = (root, build(root))
    return made


def _open(name: str, root: Path, split: str = "all") -> tuple[Case, ...]:
    return open_dataset(name, root=root, split=split, salt=SALT)


def _place(case: Case, root: Path) -> str:
    # One file may hold many cases, and is then none's own.
    return case.name if case.path is None else case.path.relative_to(root).as_posix()


def test_every_entry_has_a_builder_and_a_way_to_lose_a_label() -> None:
    assert set(BUILDERS) == set(UNLABEL) == set(DATASETS)


@every
def test_the_licence_is_named_or_the_data_are_your_own(name: str) -> None:
    entry = DATASETS[name]
    assert entry.licence
    assert (entry.licence == "your own") == entry.is_own
    assert entry.is_own or "10." in entry.source
    assert entry.shape


@every
def test_labels_and_boxes_are_as_given_and_not_clipped(name, releases) -> None:
    root, truths = releases[name]
    cases = {_place(case, root): case.reference for case in _open(name, root)}
    assert cases.keys() == truths.keys()
    for place, truth in truths.items():
        reference = cases[place]
        assert reference.fracture == truth.fracture
        if not truth.boxes:
            assert reference.boxes == truth.boxes
            continue
        assert reference.boxes is not None
        assert len(reference.boxes) == len(truth.boxes)
        for box, true in zip(reference.boxes, truth.boxes, strict=True):
            assert np.allclose(box.as_tuple(), true.as_tuple(), atol=1e-4)


@every
def test_a_missing_label_is_missing_and_not_normal(name: str, tmp_path: Path) -> None:
    BUILDERS[name](tmp_path)
    place, remove = UNLABEL[name]
    remove(tmp_path)
    try:
        cases = _open(name, tmp_path)
    except DataError as error:
        assert error.what
        assert error.cure
        return
    assert place not in {_place(case, tmp_path) for case in cases}


@every
def test_names_are_unique_and_a_fractured_film_never_has_no_box(name, releases) -> None:
    cases = _open(name, releases[name][0])
    assert len({case.name for case in cases}) == len(cases)
    for case in cases:
        # None is "nobody marked it"; an empty tuple says that there is none.
        assert case.reference.boxes != () if case.reference.fracture else case.reference.boxes == ()


@every
def test_no_key_and_no_name_holds_a_patient(name, releases) -> None:
    for case in _open(name, releases[name][0]):
        assert case.patient_key
        for patient in PATIENTS:
            assert patient not in case.patient_key + case.name + repr(case.reference)
            assert patient.rpartition("-")[2] not in case.patient_key


@every
def test_where_patients_are_known_each_has_one_key_and_the_salt_decides_it(name, releases) -> None:
    root, _ = releases[name]
    keys = [case.patient_key for case in sorted(_open(name, root), key=lambda case: str(case.path))]
    again = [
        case.patient_key for case in open_dataset(name, root=root, salt="another salt, as long")
    ]
    if DATASETS[name].has_patients:
        assert [keys[0] == key for key in keys] == [True, True, False, False, False, False]
        assert len(set(keys)) == len(PATIENTS)
        assert not set(keys) & set(again)
    else:
        assert set(keys) == set(again)


@every
def test_the_same_folder_twice_gives_equal_cases(name, releases) -> None:
    root, _ = releases[name]
    assert _open(name, root) == _open(name, root)


@every
def test_the_layout_is_recognized(name, releases) -> None:
    root, _ = releases[name]
    assert recognize(root) == name
    assert _open("auto", root) == _open(name, root)


@every
def test_the_parts_of_a_data_set_are_disjoint_and_told_in_the_case(name, releases) -> None:
    root, _ = releases[name]
    cases = _open(name, root)
    parts = {case.split for case in cases if case.split}
    for part in parts:
        assert _open(name, root, part) == tuple(case for case in cases if case.split == part)
    with pytest.raises(DataError, match="known: all"):
        _open(name, root, "no such part")


@every
def test_a_case_opens_and_equal_cases_show_equal_films(name, releases) -> None:
    case, again = _open(name, releases[name][0])[0], _open(name, releases[name][0])[0]
    assert np.array_equal(case.open().images[0].pixels, again.open().images[0].pixels)
    assert dataclasses.replace(case, open=again.open) == again


@every
def test_no_pixel_is_read_before_a_case_is_opened(name: str, tmp_path: Path) -> None:
    BUILDERS[name](tmp_path)
    before = _open(name, tmp_path)
    shared = {case.name: _pixels(case) for case in before if case.path is None}
    paths = {case.path for case in before} - {None}
    for path in paths or tmp_path.glob("*.npz"):
        for file in path.glob("*") if path.is_dir() else [path]:
            _cut_pixels(file)
    assert _open(name, tmp_path) == before
    for case in before:
        try:
            # A spoilt piece of an archive may still unpack, into something else.
            was = shared.get(case.name)
            assert case.open().unreadable or not np.array_equal(_pixels(case), was)
            assert case.open().unreadable or was is not None
        except ImageError:
            continue


def _pixels(case: Case) -> np.ndarray:
    return case.open().images[0].pixels


def _cut_pixels(path: Path) -> None:
    """Leave of a film what stands before its pixels."""
    data = path.read_bytes()
    if data.startswith(b"\x89PNG"):
        end = data.index(b"IDAT") + 12
    elif data.startswith(b"\xff\xd8"):
        end = data.index(b"\xff\xda")
    elif path.suffix == ".npz":
        _spoil_arrays(path)
        return
    elif path.suffix == ".mhd":
        _cut_pixels(path.with_suffix(".zraw"))
        return
    elif path.suffix in (".gz", ".mha", ".zraw"):
        end = len(data) // 2
    else:
        pixels = read_header(FileSource(path.name, path), DEFAULT_LIMITS).pixels
        assert pixels is not None
        end = pixels.offset
    path.write_bytes(data[:end])


def _spoil_arrays(path: Path) -> None:
    """Overwrite what an archive holds of images, and leave the labels."""
    with zipfile.ZipFile(path) as archive:
        places = [
            (one.header_offset + 200, one.compress_size - 200)
            for one in archive.infolist()
            if one.filename.endswith("_images.npy")
        ]
    data = bytearray(path.read_bytes())
    for start, size in places:
        data[start + 100 : start + size - 100] = bytes(size - 200)
    path.write_bytes(data)


def test_a_set_of_one_class_or_of_several_kinds_says_so(releases) -> None:
    for name, entry in DATASETS.items():
        cases = _open(name, releases[name][0])
        assert entry.has_healthy == any(not case.reference.fracture for case in cases), name
        kinds = {case.reference.kind for case in cases if case.reference.kind}
        assert kinds <= set(entry.kinds)
        assert all(case.modality == entry.modality for case in cases)
