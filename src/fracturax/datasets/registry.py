"""The data sets by name: public releases, and the layouts one's own data may have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from fracturax.core.case import CaseModality
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
        modality: Whether its cases are films or CTs.
        kinds: Kinds of fracture that `reference.kind` tells apart; none where the task is
            fracture or not.
        has_healthy: Whether it holds cases without fracture; without them nothing can be said of
            how well fractures are found.
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
    modality: CaseModality = "film"
    kinds: tuple[str, ...] = ()
    has_healthy: bool = True

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
            name="fracture_mnist",
            code="fracturax.datasets.fracture_mnist:open_fracture_mnist",
            recognition="fracturax.datasets.fracture_mnist:is_fracture_mnist",
            shape="fracturemnist3d.npz or fracturemnist3d_64.npz",
            paper="Yang et al., Scientific Data 10, 41 (2023), doi 10.1038/s41597-022-01721-8",
            licence="CC BY 4.0",
            source="doi 10.5281/zenodo.10519652",
            grouping=(
                "No patient is known in this data set, and a patient may have several fractures in "
                "it: each part of the authors' split was kept together."
            ),
            modality="ct",
            kinds=("buckle", "nondisplaced", "displaced"),
            has_healthy=False,
        ),
        DatasetEntry(
            name="ribfrac",
            code="fracturax.datasets.ribfrac:open_ribfrac",
            recognition="fracturax.datasets.ribfrac:is_ribfrac",
            shape="ribfrac-*-info*.csv, and *-image.nii.gz and *-label.nii.gz in any folders",
            paper="Jin et al., EBioMedicine 62, 103106 (2020), doi 10.1016/j.ebiom.2020.103106",
            licence="CC BY-NC 4.0",
            source="doi 10.5281/zenodo.3893508, 10.5281/zenodo.3893498, 10.5281/zenodo.3893496",
            grouping="Each CT is of another patient, as the authors number them.",
            modality="ct",
        ),
        DatasetEntry(
            name="verse",
            code="fracturax.datasets.verse:open_verse",
            recognition="fracturax.datasets.verse:is_verse",
            shape="rawdata/sub-*/*_ct.nii.gz beside derivatives/, and a *grading*.csv",
            paper=(
                "Loeffler et al., Radiology: Artificial Intelligence 2(4), e190138 (2020), "
                "doi 10.1148/ryai.2020190138; Sekuboyina et al., Medical Image Analysis 73, 102166 "
                "(2021), doi 10.1016/j.media.2021.102166"
            ),
            licence="CC BY-SA 4.0; sub-gl* are said to be CC BY-NC-ND",
            source="https://github.com/anjany/verse, doi 10.1148/ryai.2020190138",
            grouping="CTs of one subject of the authors were kept on one side of every split.",
            modality="ct",
        ),
        DatasetEntry(
            name="spineweb",
            code="fracturax.datasets.spineweb:open_spineweb",
            recognition="fracturax.datasets.spineweb:is_spineweb",
            shape="images/, masks/ and scores/scores.csv (xVertSeg), or fractures.csv",
            paper=(
                "Korez et al., IEEE Transactions on Medical Imaging 34(8), 1649-1662 (2015), "
                "doi 10.1109/TMI.2015.2389334"
            ),
            licence="not verified here: ask the authors of xVertSeg",
            source="http://lit.fe.uni-lj.si/xVertSeg, doi 10.1109/TMI.2015.2389334",
            grouping="No patient is known in this data set; each CT stands for itself.",
            modality="ct",
        ),
        DatasetEntry(
            name="rsna_cervical",
            code="fracturax.datasets.rsna_cervical:open_rsna_cervical",
            recognition="fracturax.datasets.rsna_cervical:is_rsna_cervical",
            shape="train.csv with StudyInstanceUID, patient_overall, C1 ... C7 and train_images/",
            paper=(
                "Lin et al., Radiology: Artificial Intelligence 5(5), e230034 (2023), "
                "doi 10.1148/ryai.230034"
            ),
            licence="RSNA's terms: non-commercial use only, with citation",
            source="Kaggle rsna-2022-cervical-spine-fracture-detection, doi 10.1148/ryai.230034",
            grouping="No patient is known in this data set; each study stands for itself.",
            modality="ct",
        ),
        DatasetEntry(
            name="pengwin",
            code="fracturax.datasets.pengwin:open_pengwin",
            recognition="fracturax.datasets.pengwin:is_pengwin",
            shape="PENGWIN_CT_train_images_part*/NNN.mha and PENGWIN_CT_train_labels/NNN.mha",
            paper=(
                "Liu et al., MICCAI 2023, 312-321, doi 10.1007/978-3-031-43996-4_30; "
                "Sang et al., arXiv 2504.02382 (2025)"
            ),
            licence="CC BY 4.0",
            source="doi 10.5281/zenodo.10927452",
            grouping="No patient is known in this data set; each CT stands for itself.",
            modality="ct",
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
