"""What came of a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._values import octets


@dataclass(frozen=True)
class Exit:
    """How a command ended."""

    #: Its number in its session.
    exec: int | None
    #: ``exited``, ``signaled``, ``timed_out``, ``not_started`` or ``interrupted``: its session was put to rest or its
    #: server died, and what it did until then nobody can say.
    end: str
    #: What a shell would call it; ``None`` when interrupted.
    exit_code: int | None
    #: The signal that ended it: ``SIGKILL``.
    signal: str | None
    #: Why it never began: ``ENOENT``.
    errno: str | None
    #: Milliseconds of processor time that it and what it waited for used, where that is known.
    cpu_ms: float | None
    #: Where the event of its end stands.
    position: str | None

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0."""
        return self.exit_code == 0

    @classmethod
    def of(cls, answer: Mapping[str, Any], **more: Any) -> Exit:
        """From an answer of the server."""
        return cls(
            exec=answer["exec"],
            end=answer.get("end") or "interrupted",
            exit_code=answer.get("status"),
            signal=answer.get("signal"),
            errno=answer.get("errno"),
            cpu_ms=answer.get("cpu_ms"),
            position=answer.get("position"),
            **more,
        )


@dataclass(frozen=True)
class Finished(Exit):
    """A command that ended, with what it wrote."""

    #: Standard output, or what a terminal showed.
    stdout_bytes: bytes
    #: Standard error.
    stderr_bytes: bytes
    #: Whether a stream was longer than an answer may be; ``session.attach(exec)`` reads the rest.
    cut: bool

    @property
    def stdout(self) -> str:
        """Standard output as text; what is not UTF-8 is replaced."""
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """Standard error as text; what is not UTF-8 is replaced."""
        return self.stderr_bytes.decode("utf-8", "replace")

    @classmethod
    def of(cls, answer: Mapping[str, Any], **more: Any) -> Finished:
        """From an answer of the server."""
        made = super().of(
            answer,
            stdout_bytes=octets(answer, "stdout"),
            stderr_bytes=octets(answer, "stderr"),
            cut=bool(answer.get("cut")),
            **more,
        )
        assert isinstance(made, Finished)
        return made
