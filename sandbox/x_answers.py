"""What X says when it refuses: problem documents and the headers of its limits."""

from __future__ import annotations

from sandbox.wire import Answer

PROBLEMS = "https://api.x.com/2/problems/"


def limit_headers(limit: int, remaining: int, reset: float) -> tuple[tuple[str, str], ...]:
    """So many requests in a window, so many left, and when it ends in Unix seconds."""
    return (
        ("x-rate-limit-limit", str(limit)),
        ("x-rate-limit-remaining", str(remaining)),
        ("x-rate-limit-reset", str(int(reset))),
    )


def problem(status: int, type: str, title: str, detail: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """A refusal as RFC 7807 has it."""
    return Answer.of(status, {"type": type, "title": title, "status": status, "detail": detail}, headers)


def invalid(detail: str) -> Answer:
    """400."""
    return problem(400, f"{PROBLEMS}invalid-request", "Invalid Request", detail)


def forbidden(detail: str) -> Answer:
    """403."""
    return problem(403, "about:blank", "Forbidden", detail)
