"""The report on one alert, for whoever reviews it afterwards: as values, as Markdown, and as JSON.

It holds no person and no address: deliveries are named by their ids.
"""

from kentongan.report.content import Report, read
from kentongan.report.document import document
from kentongan.report.page import markdown

__all__ = ["Report", "document", "markdown", "read"]
