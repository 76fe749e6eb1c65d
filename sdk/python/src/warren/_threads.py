"""What the client needs of threads. ``_tasks.py`` has the same for asyncio."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import IO, Any

from httpx import HTTPTransport
from websockets.sync.client import ClientConnection as Socket
from websockets.sync.client import connect

__all__ = ["HTTPTransport", "Lock", "Socket", "Source", "connect", "content", "sleep"]

Lock = threading.Lock
sleep = time.sleep

#: Bytes that a file or program gives: at once, from an open file, or in parts.
Source = bytes | bytearray | str | IO[bytes] | Iterable[bytes]


def content(source: Source, part: int) -> tuple[Any, bool]:
    """What an HTTP client sends of it, and whether that can be sent twice."""
    if isinstance(source, str):
        return source.encode("utf-8"), True
    if isinstance(source, bytes | bytearray):
        return bytes(source), True
    return _parts(source, part), False


def _parts(source: IO[bytes] | Iterable[bytes], part: int) -> Iterator[bytes]:
    if hasattr(source, "read"):
        while piece := source.read(part):
            yield piece
        return
    yield from source
