"""Server-sent events, from the bytes they come in."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import WarrenError

#: Bytes of one event, at most: a server's is far shorter.
EVENT_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True)
class Sent:
    """One event of the stream."""

    #: Where to go on behind it; what is no part of the log has none.
    id: str | None
    #: What kind it is.
    event: str
    #: Its data.
    data: str


class Decoder:
    """Takes bytes as they come and gives the events that are whole."""

    def __init__(self) -> None:
        self._rest = b""
        self._held = 0
        self._fields: dict[str, list[str]] = {}

    def feed(self, part: bytes) -> list[Sent]:
        """The events these bytes complete."""
        # A CR LF that is cut in two ends its line once: what a lone CR at the end means is known with the next byte.
        text = self._rest + part
        kept = b"\r" if text.endswith(b"\r") else b""
        lines = text[: len(text) - len(kept)].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + kept
        sent = [whole for line in lines if (whole := self._line(line)) is not None]
        if self._held + len(self._rest) > EVENT_BYTES_MAX:
            raise WarrenError("bad_answer", f"the server sent an event of more than {EVENT_BYTES_MAX} bytes")
        return sent

    def _line(self, line: bytes) -> Sent | None:
        if not line:
            fields, self._fields, self._held = self._fields, {}, 0
            if "data" not in fields:
                return None
            last = {name: values[-1] for name, values in fields.items()}
            return Sent(last.get("id"), last.get("event", "message"), "\n".join(fields["data"]))
        self._held += len(line)
        name, _, value = line.decode("utf-8", "replace").partition(":")
        if name:
            self._fields.setdefault(name, []).append(value.removeprefix(" "))
        return None
