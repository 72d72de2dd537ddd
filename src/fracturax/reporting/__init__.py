"""One Report, many forms: a JSON document, a page, a picture, a table; they say the same thing."""

from fracturax.reporting.audit_page import audit_page
from fracturax.reporting.audit_wording import finding_lines, headline
from fracturax.reporting.document import document_text, report_document, schema
from fracturax.reporting.forms import FORMS, Form, Made, make_forms
from fracturax.reporting.page import report_page
from fracturax.reporting.picture import Picture, Placement, draw_picture
from fracturax.reporting.summary import SummaryPage
from fracturax.reporting.table import COLUMNS, ReportTable, TableRow, table_rows
from fracturax.reporting.write import WRITABLE_SUFFIXES, write_report

__all__ = [
    "COLUMNS",
    "FORMS",
    "WRITABLE_SUFFIXES",
    "Form",
    "Made",
    "Picture",
    "Placement",
    "ReportTable",
    "SummaryPage",
    "TableRow",
    "audit_page",
    "document_text",
    "draw_picture",
    "finding_lines",
    "headline",
    "make_forms",
    "report_document",
    "report_page",
    "schema",
    "table_rows",
    "write_report",
]
