"""A session's log, and what becomes of its files, followed over every connection that breaks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import httpx

from .. import _tasks as tasks
from .._sse import Decoder, Sent
from ..errors import WarrenError, problem
from .transport import AsyncTransport

if TYPE_CHECKING:
    from .. import models


def followed(
    transport: AsyncTransport, path: str, after: str | None, follow: bool, exec: int | None
) -> AsyncIterator[models.Event | models.Resync]:
    """The events behind ``after``, each once and in order."""
    query = {"after": after, "follow": None if follow else False, "exec": exec}
    return resumed(transport, path, query, ends=lambda event: is_last(event, exec))


def watched(
    transport: AsyncTransport, path: str, beneath: str, recursive: bool, after: str | None
) -> AsyncIterator[models.FileWatch]:
    """What becomes of files, from ``after`` or from now on."""
    query = {"path": beneath, "recursive": recursive, "after": after}
    # Each connection begins with where it does; who watches began once.
    return resumed(transport, path, query, once="watching")


async def resumed(
    transport: AsyncTransport,
    path: str,
    query: dict[str, Any],
    *,
    ends: Callable[[Any], bool] = lambda event: False,
    once: str | None = None,
) -> AsyncIterator[Any]:
    """What is sent, over as many connections as it takes, until what ``ends`` it; of the kind ``once`` only the first."""
    attempts = transport.attempts()
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
                        if event["type"] == once and last is not None:
                            continue
                        last = sent.id or last
                        yield event
                        if ends(event):
                            return
            wait = attempts.broken(EOFError("the server ended the stream"))
        except httpx.TransportError as error:
            wait = attempts.broken(error)
        except WarrenError as error:
            wait = attempts.refused(error)
        await tasks.sleep(wait)


def event_of(sent: Sent) -> Any:
    """The event that was sent; raises what the server says went wrong."""
    try:
        data: Any = json.loads(sent.data)
    except ValueError as error:
        raise WarrenError("bad_answer", f"the data of an event is no JSON: {error}") from error
    if sent.event == "error":
        raise problem(data.get("status", 0), data, {})
    if sent.event == "resync":
        data = {"type": "resync", **data}
    return data


def is_last(event: Any, exec: int | None) -> bool:
    """Whether nothing follows it."""
    if event["type"] == "exited":
        return bool(event["exec"] == exec)
    return bool(event["type"] == "lifecycle" and event["state"] == "deleted")
