"""What the client needs of asyncio. ``_threads.py`` has the same for a program without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import IO, Any

from httpx import AsyncHTTPTransport as HTTPTransport
from websockets.asyncio.client import ClientConnection as Socket
from websockets.asyncio.client import connect

__all__ = ["HTTPTransport", "Lock", "Socket", "Source", "connect", "content", "sleep"]

Lock = asyncio.Lock
sleep = asyncio.sleep

#: Bytes that a file or program gives: at once, from an open file, or in parts.
Source = bytes | bytearray | str | IO[bytes] | Iterable[bytes] | AsyncIterable[bytes]


def content(source: Source, part: int) -> tuple[Any, bool]:
    """What an HTTP client sends of it, and whether that can be sent twice. Files are read off the event loop."""
    if isinstance(source, str):
        return source.encode("utf-8"), True
    if isinstance(source, bytes | bytearray):
        return bytes(source), True
    if isinstance(source, AsyncIterable):
        return source, False
    return _parts(source, part), False


async def _parts(source: IO[bytes] | Iterable[bytes], part: int) -> AsyncIterator[bytes]:
    if hasattr(source, "read"):
        while piece := await asyncio.to_thread(source.read, part):
            yield piece
        return
    for piece in source:
        yield piece
