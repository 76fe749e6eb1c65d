"""What came of a command; a file of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._values import octets

if TYPE_CHECKING:
    from . import models
    from .errors import WarrenError


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


@dataclass
class FileContent:
    """A file of those that were read together."""

    #: As it was asked for.
    path: str
    #: What is there; ``None`` when it cannot be said.
    file: models.File | None
    #: Its bytes as they came.
    parts: list[bytes] = field(default_factory=list, repr=False)
    #: Bytes behind these are left out: as many were asked for, or it was cut short meanwhile.
    cut: bool = False
    #: Why it was not read, or not to its end.
    error: WarrenError | None = None

    @property
    def data(self) -> bytes:
        """Its bytes; raises what it could not be read for."""
        if self.error is not None:
            raise self.error
        return b"".join(self.parts)

    @property
    def text(self) -> str:
        """Its bytes as text; what is not UTF-8 is replaced."""
        return self.data.decode("utf-8", "replace")
