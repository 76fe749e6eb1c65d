"""What was not done, and why. Programs go by ``code``; there is a class only where they often branch on one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class WarrenError(Exception):
    """A request was refused, or nobody can say what became of it.

    Nothing was done, unless ``hint`` says otherwise or the class is :class:`ConnectionLost`.
    """

    #: Stable: programs may depend on it. ``connection_lost`` and ``bad_answer`` are this client's own.
    code: str
    #: The status of the answer; 0 without one.
    status: int
    #: What is wrong with what was asked.
    detail: str
    #: What to do, if there is something.
    hint: str | None
    #: Of a file operation: ``ENOENT``.
    errno: str | None
    #: Of a batch: the index of the operation it is about.
    operation: int | None
    #: The request's id in the server's audit log and in its own.
    request_id: str | None
    #: Seconds after which the server says it is worth asking again.
    retry_after: float | None

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int = 0,
        hint: str | None = None,
        errno: str | None = None,
        operation: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.status, self.detail, self.hint = code, status, detail, hint
        self.errno, self.operation, self.request_id, self.retry_after = errno, operation, request_id, retry_after

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.detail}{hint} [{self.code}]"


class Unauthorized(WarrenError):
    """There is no valid key (401)."""


class Forbidden(WarrenError):
    """The key or token may not do this (403)."""


class NotFound(WarrenError):
    """What was asked for is not there, or not any more (404, 410)."""


class Conflict(WarrenError):
    """It is not in the state for this, or is there already (409, 412)."""


class QuotaExceeded(WarrenError):
    """The tenant has taken all it may of something (code ``quota_exceeded``)."""

    #: Which quota.
    quota: str
    #: How much it is.
    limit: int
    #: How much is in use.
    used: int


class RateLimited(WarrenError):
    """Too much at once (429)."""


class Unavailable(WarrenError):
    """The server, or the session, cannot do it now (503)."""


class ConnectionLost(WarrenError):
    """The way to the server broke, or nobody answers there, for as long as the client tried.

    What was asked may or may not have been done if it was sent; ``hint`` says so, and ``__cause__`` says more.
    """


CLASSES: dict[int, type[WarrenError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    412: Conflict,
    429: RateLimited,
    503: Unavailable,
}


def problem(status: int, body: Any, headers: Mapping[str, str]) -> WarrenError:
    """The error of a refusal.

    What is no problem of this server's, such as the page of a proxy in between, becomes ``bad_answer``.
    """
    if not isinstance(body, dict) or not isinstance(body.get("code"), str):
        body = {"code": "bad_answer", "detail": f"status {status} came without a problem this client can read"}
    code, detail = body["code"], str(body.get("detail", ""))
    error = kind(status, code)(
        code,
        detail,
        status=status,
        hint=body.get("hint"),
        errno=body.get("errno"),
        operation=body.get("operation"),
        request_id=headers.get("x-request-id"),
        retry_after=seconds(headers.get("retry-after")),
    )
    if isinstance(error, QuotaExceeded):
        error.quota, error.limit, error.used = body.get("quota", ""), body.get("limit", 0), body.get("used", 0)
    return error


def kind(status: int, code: str) -> type[WarrenError]:
    """The class of a refusal."""
    if code == "quota_exceeded":
        return QuotaExceeded
    return CLASSES.get(status, WarrenError)


def seconds(text: str | None) -> float | None:
    """Of ``Retry-After``; its other form, a date, is not what this server sends."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
