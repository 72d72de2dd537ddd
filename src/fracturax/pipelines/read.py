"""Read: from paths to written reports, study by study, on all cores, in bounded memory."""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

from fracturax.core.errors import ConfigError, FracturaXError
from fracturax.core.prediction import Prediction, Predictor
from fracturax.core.provenance import software_version
from fracturax.core.report import Report
from fracturax.core.study import Study
from fracturax.imaging import StudyFiles, find_studies
from fracturax.pipelines.pairing import join_pair

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_log = logging.getLogger(__name__)
_TABLE, _INDEX = "predictions.csv", "index.html"


@dataclass(frozen=True)
class LeftOut:
    """A form that was asked for and that a study cannot have, and why."""

    form: str
    error: FracturaXError


@dataclass(frozen=True)
class Written:
    """A study that was read: what was answered, its files, and the forms it cannot have."""

    report: Report
    files: tuple[Path, ...]
    left_out: tuple[LeftOut, ...] = ()


def read(study: Study, model: Predictor) -> Prediction:
    """Answer about one study; what cannot be assessed is an answer, not an error."""
    return model.predict(study)


def report(study: Study, prediction: Prediction) -> Report:
    """Join a study and its prediction with what it takes to repeat the reading."""
    return Report(
        study=study,
        prediction=prediction,
        created_at=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        software=f"fracturax {software_version()}",
        is_synthetic=bool(study.images)
        and all(image.acquisition.is_phantom for image in study.images),
    )


def find_all(paths: Sequence[Path], *, joins_pairs: bool = False) -> list[StudyFiles]:
    """Find the studies of several paths, each with a key of its own.

    The key of a lone picture is a hash of its bytes; a copy under another name is a study of its
    own, so its key gets a number.

    Args:
        paths: Where they lie.
        joins_pairs: Whether a folder that holds films and one CT of one patient, and nothing
            else, is one study.
    """
    found: list[StudyFiles] = []
    seen: Counter[str] = Counter()
    for path in paths:
        studies = find_studies(path)
        if joins_pairs and path.is_dir():
            studies = join_pair(studies)
        for files in studies:
            seen[files.key] += 1
            copy = seen[files.key]
            found.append(replace(files, key=f"{files.key}-{copy}") if copy > 1 else files)
    return found


def read_studies(
    studies: Iterable[StudyFiles], model: Predictor, *, workers: int | None = None
) -> Iterator[Report]:
    """Read studies in parallel and return their reports in order.

    At most two studies a worker are in memory, however many there are. Give a predictor with
    one thread where there is more than one worker.
    """

    def work(files: StudyFiles) -> Report:
        return _open_and_read(files, model)

    yield from in_order(work, studies, workers=workers or os.cpu_count() or 1)


def read_to_folder(
    studies: Sequence[StudyFiles],
    model: Predictor,
    *,
    out: Path,
    forms: Sequence[str] = ("html", "json", "png"),
    workers: int | None = None,
) -> Iterator[Written]:
    """Read studies and write their reports, `study-<key>.<form>`, as they are done.

    A form that a study cannot have (a picture has no DICOM source) keeps back none of the others;
    the entry of the study says why it is left out. Of more than one study a table
    (`predictions.csv`) and a list (`index.html`) are written too.

    Args:
        studies: What to read.
        model: The reader.
        out: Folder for the reports; made if it is not there.
        forms: Names of `fracturax.reporting.FORMS`.
        workers: Studies read at once; all cores by default.

    Returns:
        One entry a study, in order.

    Raises:
        UnknownNameError: If there is no such form.
        MissingExtraError: If a form needs an optional part that is not installed.
        ConfigError: If the folder cannot be written to.
    """
    from fracturax.reporting import ReportTable, SummaryPage
    from fracturax.reporting.forms import check_installed, make_forms
    from fracturax.reporting.write import write_files

    check_installed(forms)
    make_folder(out)
    single = [form for form in forms if form != "csv"]

    def work(files: StudyFiles) -> Written:
        answer = _open_and_read(files, model)
        stem = out / f"study-{files.key}"
        paths: list[Path] = []
        left_out: list[LeftOut] = []
        for made in make_forms(answer, single):
            if made.error is not None:
                left_out.append(LeftOut(made.form.name, made.error))
            paths += write_files(answer, made.files, stem, made.form.suffix)
        return Written(answer, tuple(paths), tuple(left_out))

    with ExitStack() as stack:
        table = index = None
        if "csv" in forms or len(studies) > 1:
            stream = (out / _TABLE).open("w", newline="", encoding="utf-8-sig", errors="replace")
            table = ReportTable(stack.enter_context(stream))
        if "html" in forms and len(studies) > 1:
            index = stack.enter_context(SummaryPage(out / _INDEX))
        for written in in_order(work, studies, workers=workers or os.cpu_count() or 1):
            if table is not None:
                table.add(written.report)
            if index is not None:
                page = next(path for path in written.files if path.suffix == ".html")
                index.add(written.report, link=page.name)
            yield written


def in_order(
    work: Callable[[ItemT], ResultT], items: Iterable[ItemT], *, workers: int
) -> Iterator[ResultT]:
    """Do work on a few items at once and return the results in order, holding few of them."""
    rest = iter(items)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        waiting: deque[Future[ResultT]] = deque(
            pool.submit(work, item) for item in islice(rest, workers + 1)
        )
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(rest, 1))
                yield result
        finally:
            for one in waiting:
                one.cancel()


def _open_and_read(files: StudyFiles, model: Predictor) -> Report:
    """Read one study of many: whatever happens to it, the others are still read."""
    study = files.open()
    try:
        prediction = read(study, model)
    except Exception as error:  # a bug of ours must not lose the rest of a worklist
        _log.error("study %s: %s in the model", study.key, type(error).__name__)
        prediction = Prediction(
            study_key=study.key,
            status="not_assessed",
            model=model.identity,
            operating_points=model.operating_points,
            reason=f"the model failed on this study ({type(error).__name__}); please report it",
        )
    return report(study, prediction)


def make_folder(folder: Path) -> None:
    """Make the folder that results are written to.

    Raises:
        ConfigError: If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "the folder for the results cannot be made",
            got=type(error).__name__,
            cure="give another one: --out FOLDER",
        ) from error
