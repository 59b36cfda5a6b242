"""The dispatcher: takes dispatches over and sends them, the only code that does."""

from kentongan.dispatcher.dispatcher import Dispatcher, Pulse

__all__ = ["Dispatcher", "Pulse"]
