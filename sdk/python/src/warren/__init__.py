"""Client of Warren: sessions for agents, with their commands, files, terminals and events.

:class:`Warren` blocks, :class:`AsyncWarren` is for asyncio; they are the same otherwise. :mod:`warren.models` has the
shapes of requests and answers.
"""

from . import models
from ._async.client import AsyncSessions, AsyncWarren
from ._async.files import AsyncFiles
from ._async.process import AsyncInput, AsyncOutput, AsyncProcess
from ._async.session import AsyncSession
from ._async.terminal import AsyncTerminal
from ._async.transport import VERSION as __version__
from ._sync.client import Sessions, Warren
from ._sync.files import Files
from ._sync.process import Input, Output, Process
from ._sync.session import Session
from ._sync.terminal import Terminal
from .errors import (
    Conflict,
    ConnectionLost,
    Forbidden,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Unauthorized,
    Unavailable,
    WarrenError,
)
from .results import Exit, FileContent, Finished

__all__ = [
    "AsyncFiles",
    "AsyncInput",
    "AsyncOutput",
    "AsyncProcess",
    "AsyncSession",
    "AsyncSessions",
    "AsyncTerminal",
    "AsyncWarren",
    "Conflict",
    "ConnectionLost",
    "Exit",
    "FileContent",
    "Files",
    "Finished",
    "Forbidden",
    "Input",
    "NotFound",
    "Output",
    "Process",
    "QuotaExceeded",
    "RateLimited",
    "Session",
    "Sessions",
    "Terminal",
    "Unauthorized",
    "Unavailable",
    "Warren",
    "WarrenError",
    "__version__",
    "models",
]
