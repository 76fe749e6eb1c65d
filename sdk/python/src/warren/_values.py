"""Small values as the server writes them."""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from .errors import WarrenError

#: A length of time: seconds, or text as the server takes it (``"1h 30m"``).
Span = float | int | timedelta | str

#: Stream, then offset of the first byte in it, in front of the bytes of a binary frame.
FRAME = struct.Struct(">BQ")
#: Bytes of a stream in one frame, at most.
FRAME_BYTES_MAX = 65_536
#: The stream of input, of output, and of what makes a screen.
INPUT, OUTPUT, SCREEN = 0, 1, 3


def span(length: Span) -> str:
    """A length of time as the server reads it, to the millisecond."""
    if isinstance(length, str):
        return length
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    return f"{max(0, round(seconds * 1000))}ms"


def moment(time: datetime | str) -> str:
    """A time as the server reads it, to the second; a ``datetime`` has to know its zone."""
    return time if isinstance(time, str) else zoned(time).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(time: datetime | str) -> str:
    """A time as the server reads it, to the microsecond; a ``datetime`` has to know its zone."""
    return time if isinstance(time, str) else zoned(time).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def zoned(time: datetime) -> datetime:
    """The same moment in UTC."""
    if time.tzinfo is None:
        raise ValueError("a time without a zone can mean any of 24 hours: give the datetime a tzinfo")
    return time.astimezone(timezone.utc)


def given(**members: Any) -> dict[str, Any]:
    """Those that are not ``None``; a trailing ``_`` keeps a name from being a word of Python."""
    return {name.removesuffix("_"): value for name, value in members.items() if value is not None}


def words(command: str | Sequence[str]) -> dict[str, Any]:
    """A line for the shell, or a program and its arguments."""
    return {"command": command} if isinstance(command, str) else {"argv": list(command)}


def window(size: tuple[int, int] | None) -> dict[str, int] | None:
    """Rows and columns."""
    return None if size is None else {"rows": size[0], "columns": size[1]}


def operation(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A change of files as the server is told of it: bytes in base64, permission bits in octal, paths as text."""
    told = dict(wanted)
    for name in ("path", "to", "target"):
        if name in told:
            told[name] = os.fspath(told[name])
    if isinstance(told.get("mode"), int):
        told["mode"] = f"{told['mode']:04o}"
    if isinstance(told.get("content"), bytes | bytearray):
        told["content_base64"] = base64.b64encode(told.pop("content")).decode("ascii")
    return told


def input_of(source: bytes | str | bool | None) -> dict[str, str] | str | None:
    """A command's input: text as it is, other bytes in base64, ``True`` to be sent later."""
    if source is None or isinstance(source, bool):
        return "open" if source else None
    if isinstance(source, str):
        return {"text": source}
    return {"base64": base64.b64encode(source).decode("ascii")}


def octets(answer: Mapping[str, Any], name: str) -> bytes:
    """Bytes of an answer: text under their name, or base64 under the name with ``_base64``."""
    text = answer.get(name)
    if isinstance(text, str):
        return text.encode("utf-8")
    encoded = answer.get(f"{name}_base64")
    return base64.b64decode(encoded) if isinstance(encoded, str) else b""


def segment(name: str) -> str:
    """A name as one part of a URL's path: never none and never a step to elsewhere."""
    if name in ("", ".", ".."):
        raise ValueError(f"{name!r} names nothing")
    return quote(name, safe="")


def file_path(path: str | os.PathLike[str]) -> str:
    """An absolute path in a session, as the end of a URL's path."""
    text = os.fspath(path)
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is not absolute: a path in a session begins with `/`")
    # What would be a step elsewhere in a URL is kept from being one: the session takes it, not the client.
    steps = {".": "%2E", "..": "%2E%2E"}
    return "/".join(steps.get(part, quote(part, safe="")) for part in text.split("/"))


def frame(stream: int, data: bytes) -> bytes:
    """Bytes of a stream as a binary frame; a server does not look at the offset of input."""
    return FRAME.pack(stream, 0) + data


def unframed(message: bytes) -> tuple[int, int, bytes]:
    """The stream, the offset and the bytes of a binary frame."""
    if len(message) < FRAME.size:
        raise WarrenError("bad_answer", f"a frame of {len(message)} bytes has no stream and offset")
    stream, offset = FRAME.unpack_from(message)
    return stream, offset, message[FRAME.size :]
