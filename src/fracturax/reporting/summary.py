"""The worklist of many reports: one page with a line a study, worst first, none hidden."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO
from urllib.parse import quote

from fracturax.core.errors import ConfigError
from fracturax.core.prediction import STATUSES, Prediction, Status
from fracturax.core.report import RESEARCH_USE_NOTICE, Report
from fracturax.reporting.page import environment, thumbnail
from fracturax.reporting.replacement import replacing

_THUMBNAIL_PX = 160
# What was not assessed comes before what was found clear: nobody has looked at it yet.
_URGENCY: tuple[Status, ...] = ("fracture", "doubt", "not_assessed", "no_fracture")


class SummaryPage:
    """Writes `index.html` study by study; keeps counts, but no study and no film.

    Lines are written in the order they come. Each carries its urgency as a CSS `order`, so the
    browser shows the worst first, or the order of reading where the reader asks for it; both show
    every study. The file appears when the block ends without an error.

    Args:
        path: Where to, usually `index.html` beside the pages.

    Raises:
        ConfigError: If the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> from fracturax.core.prediction import ModelIdentity, OperatingPoints, Prediction
        >>> from fracturax.core.study import Study, UnreadableFile
        >>> report = Report(
        ...     study=Study("4f1a", (), (UnreadableFile("a.dcm", "the file is cut short"),)),
        ...     prediction=Prediction("4f1a", "not_assessed", ModelIdentity("xray", "1", "", ""),
        ...                           OperatingPoints(0.1, 0.5), reason="no image to read"),
        ...     created_at="2026-01-01T00:00:00+00:00", software="fracturax 0.1")
        >>> path = Path(tempfile.mkdtemp()) / "index.html"
        >>> with SummaryPage(path) as summary:
        ...     summary.add(report, link="4f1a.html")
        >>> 'href="./4f1a.html"' in path.read_text(encoding="utf-8")
        True
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._stack = ExitStack()
        self._stream: BinaryIO | None = None
        self._counts: Counter[Status] = Counter()
        self._synthetic = 0

    def __enter__(self) -> SummaryPage:
        self._stream = self._stack.enter_context(replacing(self._path))
        self._render("head")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            try:
                self._render("tail")
            except BaseException as failed:
                self._stack.__exit__(type(failed), failed, failed.__traceback__)
                raise
        self._stream = None
        self._stack.__exit__(kind, error, trace)

    def add(self, report: Report, *, link: str | None = None) -> None:
        """Write the line of one study.

        Args:
            report: The study and its answer.
            link: Its page, as a path relative to the summary.

        Raises:
            ConfigError: If the summary is not open.
        """
        self._counts[report.prediction.status] += 1
        self._synthetic += report.is_synthetic
        self._render(
            "line",
            report=report,
            prediction=report.prediction,
            # "./" keeps a name such as "javascript:x" a file name.
            link=None if link is None else "./" + quote(link),
            thumbnails=[
                (image.name, thumbnail(image, longest_px=_THUMBNAIL_PX))
                for image in report.study.images[:4]
            ],
            order=urgency(report.prediction),
        )

    def _render(self, part: str, **values: object) -> None:
        if self._stream is None:
            raise ConfigError("the summary is not open", got=part, cure="use it in a with block")
        text = (
            environment()
            .get_template("summary.html.j2")
            .render(
                part=part,
                notice=RESEARCH_USE_NOTICE,
                counts=[(status, self._counts[status]) for status in STATUSES],
                total=self._counts.total(),
                synthetic=self._synthetic,
                **values,
            )
        )
        self._stream.write(text.encode("utf-8", "backslashreplace"))


def urgency(prediction: Prediction) -> int:
    """Return a number that is smaller the sooner a study should be looked at.

    Fractures come first, then doubt, then what was not assessed, then the rest; within each, the
    higher probability first.
    """
    within = 0 if prediction.probability is None else round(99_999 * (1 - prediction.probability))
    return _URGENCY.index(prediction.status) * 100_000 + within
