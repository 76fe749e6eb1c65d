"""When a request is sent again.

A refusal did nothing, so any request can follow one. A connection that broke may have broken behind what it asked for,
so only a request follows that may be done twice or that the server does once: one that reads, or one with a key.
"""

from __future__ import annotations

import random
import time
import uuid
from typing import Literal

from .errors import ConnectionLost, WarrenError

#: What may be done about a request whose fate is not known. ``again``: it may be done twice. ``key``: it has a key
#: and is done once. ``never``: it may not.
Retry = Literal["again", "key", "never"]

#: Seconds before the second attempt; twice as many before each further one.
FIRST = 0.05
#: Seconds between two attempts, at most, unless the server asks for more.
LONGEST = 5.0
#: Refusals of what was done, or may have been.
PERHAPS_DONE = frozenset({"audit_unavailable", "moved"})


class Attempts:
    """The attempts at one thing: how long to wait before the next, or that there is none.

    ``patience`` is the seconds from the first failure in a row to the last attempt.
    """

    def __init__(self, patience: float, retry: Retry = "again") -> None:
        self.patience, self.retry = patience, retry
        self.since: float | None = None
        self.made = 0

    def succeeded(self) -> None:
        """What fails from now on fails anew."""
        self.since, self.made = None, 0

    def refused(self, error: WarrenError) -> float:
        """Seconds to wait after a refusal.

        Raises the error itself when it is final, or when the wait would take longer than there is patience.
        """
        if not self.bears(error):
            raise error
        wait = self._next()
        wait = wait if error.retry_after is None else max(wait, error.retry_after)
        if self._spent(wait):
            raise error
        return wait

    def bears(self, error: WarrenError) -> bool:
        """Whether a refusal passes, and the request may follow it."""
        if error.code in PERHAPS_DONE and self.retry == "never":
            return False
        # `key_running`: an attempt of before, with the same key, is still being done.
        passes = error.status == 503 or (error.status == 429 and error.retry_after is not None)
        return passes or error.code == "key_running"

    def broken(self, cause: Exception, *, sent: bool = True) -> float:
        """Seconds to wait after a connection that broke, or was never made if nothing was ``sent``.

        Raises :class:`ConnectionLost` when the request may not be sent again, or patience has run out.
        """
        wait = self._next()
        final = sent and self.retry == "never"
        if final or self._spent(wait):
            detail = f"the connection to the server broke: {cause}" if sent else f"no connection: {cause}"
            raise ConnectionLost("connection_lost", detail, hint=UNSURE if sent else None) from cause
        return wait

    def _next(self) -> float:
        wait: float = min(LONGEST, FIRST * 2.0 ** min(self.made, 16)) * random.uniform(0.75, 1.25)
        self.made += 1
        return wait

    def _spent(self, wait: float) -> bool:
        now = time.monotonic()
        self.since = now if self.since is None else self.since
        return now - self.since + wait > self.patience


UNSURE = "what was asked may or may not have been done"


def new_key() -> str:
    """An ``Idempotency-Key`` that nobody else has."""
    return str(uuid.uuid4())
