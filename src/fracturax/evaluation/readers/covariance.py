"""Covariances between the figures of merit of readers who saw the same cases."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.readers.design import Design
from fracturax.evaluation.readers.figures import Auc, CellValues, Figure
from fracturax.evaluation.readers.study import ReaderStudy

FloatArray = npt.NDArray[np.float64]
CovarianceMethod = Literal["delong", "jackknife", "unbiased"]
METHODS: tuple[CovarianceMethod, ...] = ("delong", "jackknife", "unbiased")


@dataclass(frozen=True)
class ErrorCovariance:
    """Mean variance and covariances of the error that the sample of cases makes.

    Args:
        variance: Of one reader under one treatment.
        cov1: Same reader, two treatments.
        cov2: Two readers, same treatment.
        cov3: Two readers, two treatments.
    """

    variance: float
    cov1: float
    cov2: float
    cov3: float


def default_method(study: ReaderStudy, figure: Figure) -> CovarianceMethod:
    """Return `delong` where it exists, else `jackknife`."""
    is_whole = study.design.kind != "partially paired" and not _has_gaps(study)
    return "delong" if isinstance(figure, Auc) and is_whole else "jackknife"


def covariance_of_cells(
    study: ReaderStudy, figure: Figure, measured: CellValues, method: CovarianceMethod
) -> FloatArray:
    """Return the covariance matrix of the figures of all cells, shape `(cells, cells)`.

    Args:
        study: The study.
        figure: The figure of merit.
        measured: What `figure_of_cells` found.
        method: `jackknife` leaves out one case after the other and serves every figure; `delong`
            and `unbiased` serve areas.

    Raises:
        DataError: If the method does not serve the figure or the design.

    References:
        DeLong et al., Biometrics 44:837-845, 1988; Efron, The Jackknife, the Bootstrap and Other
        Resampling Plans, 1982; Gallas, Pennello & Myers, J. Opt. Soc. Am. A 24:B70-B80, 2007.
    """
    if method not in METHODS:
        raise DataError("no such covariance method", got=repr(method), cure=", ".join(METHODS))
    if method == "jackknife":
        cases = measured.truth.size
        centered = measured.left_out - measured.left_out.mean(axis=0)
        return np.asarray((cases - 1) / cases * centered.T @ centered)
    if not isinstance(figure, Auc):
        raise DataError(
            f"{method} covariances serve areas only",
            got=figure.name,
            cure="take jackknife",
        )
    return _delong(study, measured) if method == "delong" else _unbiased(study, measured)


def error_covariance(
    covariance: FloatArray, cells: tuple[tuple[int, int], ...], design: Design
) -> ErrorCovariance:
    """Average a covariance matrix over cells; what the design rules out is 0, not estimated."""
    treatment, reader = np.array(cells).T
    group = np.array(design.group_of_reader)[reader]
    same_treatment = treatment[:, None] == treatment
    same_reader = reader[:, None] == reader
    same_group = group[:, None] == group
    over_treatments = design.shares_cases_across_treatments
    over_readers = design.shares_cases_across_readers
    pairs = {
        "cov1": (~same_treatment & same_reader, over_treatments),
        "cov2": (same_treatment & ~same_reader & same_group, over_readers),
        "cov3": (~same_treatment & ~same_reader & same_group, over_treatments and over_readers),
    }
    means = {
        name: float(covariance[chosen].mean()) if is_shared and chosen.any() else 0.0
        for name, (chosen, is_shared) in pairs.items()
    }
    return ErrorCovariance(float(np.diag(covariance).mean()), **means)


def _delong(study: ReaderStudy, measured: CellValues) -> FloatArray:
    if study.design.kind == "partially paired" or _has_gaps(study):
        raise DataError(
            "DeLong's covariances need readers who saw the same cases, or wholly different ones",
            got="missing ratings",
            cure="take jackknife or unbiased",
        )
    deviation = measured.left_out - measured.values
    total = np.zeros((measured.values.size, measured.values.size))
    # The components of DeLong are deviations of the figure without a case, times the others.
    for chosen in (measured.truth, ~measured.truth):
        count = measured.seen[chosen].sum(axis=0)
        scaled = deviation[chosen] * np.sqrt((count - 1) / count)
        total += scaled.T @ scaled
    return total


def _has_gaps(study: ReaderStudy) -> bool:
    """Whether two cells share some of their cases but not all."""
    seen = study.seen.reshape(-1, len(study.cases)).astype(np.float64)
    seen = seen[seen.any(axis=1)]
    shared = seen @ seen.T
    own = np.diag(shared)
    return bool(((shared > 0) & ((shared != own) | (shared != own[:, None]))).any())


def _unbiased(study: ReaderStudy, measured: CellValues) -> FloatArray:
    """Return U-statistic estimates: the mean of products less those of pairs without a case."""
    fractured, healthy = study.truth, ~study.truth
    kernels, rows, columns = [], [], []
    for treatment, reader in measured.cells:
        ratings = study.ratings[treatment, reader]
        mine = ~np.isnan(ratings[:, 0])
        kernel = np.zeros((int(fractured.sum()), int(healthy.sum())))
        lesions = np.nan_to_num(ratings[fractured], nan=0.0, neginf=-np.inf)
        others = ratings[healthy, 0]
        for slot in range(lesions.shape[1]):
            above = (lesions[:, slot, None] > others) + 0.5 * (lesions[:, slot, None] == others)
            kernel += study.weights[fractured, slot, None] * above
        kernel *= mine[fractured][:, None] & mine[healthy]
        kernels.append(kernel)
        rows.append(mine[fractured])
        columns.append(mine[healthy])
    size = len(kernels)
    covariance = np.empty((size, size))
    for x, y in combinations_with_replacement(range(size), 2):
        pairs_x = rows[x].sum() * columns[x].sum()
        pairs_y = rows[y].sum() * columns[y].sum()
        sum_x, sum_y = kernels[x].sum(), kernels[y].sum()
        # Outside a cell its kernel is 0, so only shared cases add to these sums.
        of_rows = kernels[x].sum(axis=1) @ kernels[y].sum(axis=1)
        of_columns = kernels[x].sum(axis=0) @ kernels[y].sum(axis=0)
        of_both = float(np.vdot(kernels[x], kernels[y]))
        apart = sum_x * sum_y - of_rows - of_columns + of_both
        count = (rows[x].sum() * rows[y].sum() - (rows[x] & rows[y]).sum()) * (
            columns[x].sum() * columns[y].sum() - (columns[x] & columns[y]).sum()
        )
        covariance[x, y] = covariance[y, x] = sum_x * sum_y / (pairs_x * pairs_y) - apart / count
    return covariance
