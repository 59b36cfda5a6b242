"""Readers of what warning services publish in forms of their own; CAP has its own reader, `kentongan.cap.reading`."""
