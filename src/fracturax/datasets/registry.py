"""The data sets by name: public releases, and the layouts one's own data may have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from fracturax.core.registry import Registry

OWN = "your own"
"""Licence, paper and source of a layout: the data are the user's."""

_OWN_GROUPS = (
    "Films of one patient, where the data name one, and copies were kept on one side of every "
    "split; where they name none, films of one patient may be on both."
)


@dataclass(frozen=True)
class Release:
    """The archive of a public data set on figshare, and what its bytes must be.

    Args:
        article: Number of the figshare article.
        version: Version of the article.
        file_name: Name of the archive.
        size: Its size in bytes.
        md5: Its MD5, which figshare states too.
        sha256: Its SHA-256.
        films: Number of films its table lists.
        check: What says which files a copy lacks, `Callable[[Path], Copy]`.
    """

    article: int
    version: int
    file_name: str
    size: int
    md5: str
    sha256: str
    films: int
    check: str


@dataclass(frozen=True)
class Copy:
    """A copy of a release at hand.

    Args:
        films: Number of films its table lists.
        missing: Files that its tables or the release name and that are not there, by their path.
        is_usable: Whether it can be opened without them.
    """

    films: int
    missing: tuple[str, ...]
    is_usable: bool


@dataclass(frozen=True)
class DatasetEntry:
    """A data set, or a layout of one's own data, by name.

    Args:
        name: What `open_dataset` and recipes call it.
        code: Loader, `Callable[[Path], tuple[Case, ...]]`.
        recognition: What tells a folder of it, `Callable[[Path], bool]`.
        shape: What it looks like, in words.
        paper: How to cite it.
        licence: Under which its images may be used.
        source: Where the release is found.
        grouping: What is kept together in a split, in words for the model card.
        has_patients: Whether its loader makes keys of patients, and so takes a `salt`.
        release: What `fetch` downloads, where it can.
        survey: Surveyor for the audit, `Callable[[Path], Survey]`: it notes what the loader
            refuses, and reads the rest. Where there is none the audit asks the loader.
    """

    name: str
    code: str
    recognition: str
    shape: str
    paper: str = OWN
    licence: str = OWN
    source: str = OWN
    grouping: str = _OWN_GROUPS
    has_patients: bool = False
    release: Release | None = None
    survey: str = ""

    @property
    def is_own(self) -> bool:
        """Whether it is a layout of the user's own data."""
        return self.source == OWN

    def fits(self, root: Path) -> bool:
        """Whether a folder has its layout."""
        return bool(_load(self.recognition)(root))

    def surveyor(self) -> Callable[[Path], object] | None:
        """Return its surveyor, or None."""
        return _load(self.survey) if self.survey else None

    def check(self, root: Path) -> Copy:
        """Return what a copy of the release holds and lacks.

        Raises:
            DataError: If the folder is no copy of it.
        """
        assert self.release is not None, "only a release has copies"
        copy = _load(self.release.check)(root)
        assert isinstance(copy, Copy)
        return copy


def _load(code: str) -> Callable[[Path], object]:
    module, _, attribute = code.partition(":")
    found: Callable[[Path], object] = getattr(import_module(module), attribute)
    return found


DATASETS = Registry(
    "data set",
    (
        DatasetEntry(
            name="fracatlas",
            code="fracturax.datasets.fracatlas:open_fracatlas",
            recognition="fracturax.datasets.fracatlas:is_fracatlas",
            shape="dataset.csv beside images/Fractured/ and images/Non_fractured/",
            paper="Abedeen et al., Scientific Data 10, 521 (2023), doi 10.1038/s41597-023-02432-4",
            licence="CC BY 4.0",
            source="doi 10.6084/m9.figshare.22363012",
            grouping=(
                "No patient is known in this data set. Copies, and neighbours in the numbering "
                "(groups of at least ten numbers, cut where the region changes), were kept on one "
                "side of every split; a patient whose films lie further apart may still be on both."
            ),
            survey="fracturax.datasets.fracatlas_survey:survey_fracatlas",
            # Size and sums as several independent public scripts pin them for file 65518038 of
            # version 7; figshare states size and MD5 again when it is fetched.
            release=Release(
                article=22363012,
                version=7,
                file_name="FracAtlas.zip",
                size=338_436_460,
                md5="fe9da2c7c285915ebee69dfdab8fd396",
                sha256="b67ec2d290a022b3dcf47f78e9a37f7edcc80592c0571f439355bf00bd9f0e23",
                films=4083,
                check="fracturax.datasets.fracatlas:check_copy",
            ),
        ),
        DatasetEntry(
            name="folder",
            code="fracturax.datasets.folder:open_folder",
            recognition="fracturax.datasets.folder:is_folder",
            shape="fractured/ and normal/, or both in train/, valid/, test/",
            survey="fracturax.datasets.folder_survey:survey_folder",
        ),
        DatasetEntry(
            name="csv",
            code="fracturax.datasets.csv_table:open_csv",
            recognition="fracturax.datasets.csv_table:is_csv",
            shape="a .csv table with the columns image and fracture",
            has_patients=True,
            survey="fracturax.datasets.csv_survey:survey_csv",
        ),
        DatasetEntry(
            name="coco",
            code="fracturax.datasets.coco:open_coco",
            recognition="fracturax.datasets.coco:is_coco",
            shape="annotations/*.json, *.json, or _annotations.coco.json in each part's folder",
            survey="fracturax.datasets.coco_survey:survey_coco",
        ),
        DatasetEntry(
            name="yolo",
            code="fracturax.datasets.yolo:open_yolo",
            recognition="fracturax.datasets.yolo:is_yolo",
            shape="images/ and labels/, or both in train/, valid/, test/; and data.yaml",
            survey="fracturax.datasets.yolo_survey:survey_yolo",
        ),
        DatasetEntry(
            name="dicom",
            code="fracturax.datasets.dicom_tree:open_dicom",
            recognition="fracturax.datasets.dicom_tree:is_dicom",
            shape="labels.csv with the column fracture and one that names studies or files",
            has_patients=True,
        ),
    ),
)


@dataclass(frozen=True)
class MaskedEntry:
    """A layout of films with masks, by name.

    Args:
        name: What recipes call it.
        code: Loader, `Callable[[Path], tuple[MaskedFilm, ...]]`.
        shape: What it looks like, in words.
    """

    name: str
    code: str
    shape: str


MASKED_FILMS = Registry(
    "data set with masks",
    (
        MaskedEntry(
            name="image_masks",
            code="fracturax.datasets.masks:open_masked_films",
            shape="images/ and masks/ with the same stems; cases.csv says who the patients are",
        ),
    ),
)
