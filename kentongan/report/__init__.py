"""The report on an alert and its thread, for whoever reviews it afterwards: as values, a page, Markdown, JSON and CSV.

It holds no person and no address: deliveries are named by their ids, people by a part of a random id.
"""

from kentongan.report.in_csv import deliveries_csv
from kentongan.report.in_html import html
from kentongan.report.in_json import document
from kentongan.report.in_markdown import markdown
from kentongan.report.reading import read
from kentongan.report.shapes import Part, Report

__all__ = ["Part", "Report", "deliveries_csv", "document", "html", "markdown", "read"]
