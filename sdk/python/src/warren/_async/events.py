"""A session's log, followed over every connection that breaks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

import httpx

from .. import _tasks as tasks
from .._sse import Decoder, Sent
from ..errors import WarrenError, problem
from .transport import AsyncTransport

if TYPE_CHECKING:
    from .. import models


async def followed(
    transport: AsyncTransport, path: str, after: str | None, follow: bool, exec: int | None
) -> AsyncIterator[models.Event | models.Resync]:
    """The events behind ``after``, each once and in order."""
    attempts = transport.attempts()
    query = {"after": after, "follow": None if follow else False, "exec": exec}
    last: str | None = None
    while True:
        resume = {} if last is None else {"Last-Event-ID": last}
        decoder = Decoder()
        wait: float
        try:
            async with transport.stream(path, query=query, headers={"Accept": "text/event-stream", **resume}) as answer:
                async for part in answer.aiter_bytes():
                    # Also a comment says that the server is there.
                    attempts.succeeded()
                    for sent in decoder.feed(part):
                        if sent.event == "end":
                            return
                        event = event_of(sent)
                        last = sent.id or last
                        yield event
                        if is_last(event, exec):
                            return
            wait = attempts.broken(EOFError("the server ended the stream"))
        except httpx.TransportError as error:
            wait = attempts.broken(error)
        except WarrenError as error:
            wait = attempts.refused(error)
        await tasks.sleep(wait)


def event_of(sent: Sent) -> models.Event | models.Resync:
    """The event that was sent; raises what the server says went wrong."""
    try:
        data: Any = json.loads(sent.data)
    except ValueError as error:
        raise WarrenError("bad_answer", f"the data of an event is no JSON: {error}") from error
    if sent.event == "error":
        raise problem(data.get("status", 0), data, {})
    if sent.event == "resync":
        data = {"type": "resync", **data}
    return cast("models.Event | models.Resync", data)


def is_last(event: models.Event | models.Resync, exec: int | None) -> bool:
    """Whether nothing follows it."""
    if event["type"] == "exited":
        return event["exec"] == exec
    return event["type"] == "lifecycle" and event["state"] == "deleted"
