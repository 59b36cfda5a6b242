"""The Common Alerting Protocol: its model (1.2), its validity per version, reading and writing."""

from kentongan.cap.model import Alert, Area, Info, NamedValue, Reference, Resource

__all__ = ["Alert", "Area", "Info", "NamedValue", "Reference", "Resource"]
