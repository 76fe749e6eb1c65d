"""The client of one server, with one key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, cast

from .. import _tasks as tasks
from .._local import server
from .._values import given, instant, moment, segment
from .accounts import AsyncKeys, AsyncTenants
from .session import AsyncSession
from .transport import AsyncTransport

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .. import models


class AsyncWarren:
    """A server, with a key of a tenant or a token of one session.

    ``url`` is ``$WARREN_URL``, else where the configuration lets a server listen; ``key`` is ``$WARREN_KEY``, else the
    one that this user's own server keeps in its data folder.

    ``timeout`` is how many seconds one step of a request may be silent. ``patience`` is for how many seconds, from the
    first failure in a row, what is refused for now or breaks is tried again; with 0 nothing is, and no keys are sent.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 60.0,
        patience: float = 30.0,
        proxy: str | None = None,
    ) -> None:
        url, key = server(url, key)
        self._transport = AsyncTransport(url, key, timeout, patience, proxy)
        #: Sessions of the tenant.
        self.sessions = AsyncSessions(self._transport)
        #: Keys of the tenant.
        self.keys = AsyncKeys(self._transport)
        #: Tenants of the server; for keys of ``default`` that may manage them.
        self.tenants = AsyncTenants(self._transport)

    async def templates(self) -> list[models.NamedTemplate]:
        """Templates of the configuration, without the values in them."""
        return [template async for template in self._transport.pages("/v1/templates")]

    async def quotas(self, *, tenant: str | None = None) -> models.Quotas:
        """What a tenant may take, and has taken."""
        return cast("models.Quotas", await self._transport.get("/v1/quotas", tenant=tenant))

    async def usage(
        self,
        *,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        by: Literal["hour", "session"] | None = None,
        tenant: str | None = None,
    ) -> AsyncIterator[models.Usage]:
        """What a tenant used in these hours, the last day's unless said otherwise, by hour or by session."""
        query = given(from_=start and moment(start), to=end and moment(end), by=by, tenant=tenant)
        async for row in self._transport.pages("/v1/usage", **query):
            yield row

    async def audit(
        self, *, after: int | None = None, limit: int | None = None, tenant: str | None = None
    ) -> AsyncIterator[models.AuditRecord]:
        """Who did what in a tenant, behind record ``after``, oldest first; so many are asked for at once."""
        async for record in self._transport.pages("/v1/audit", after=after, limit=limit, tenant=tenant):
            yield record

    async def metrics(self) -> str:
        """Figures of the server, as Prometheus reads them; needs ``metrics:read``."""
        return (await self._transport.request("GET", "/metrics", retry="again")).text

    async def version(self) -> str:
        """The server's version."""
        return str((await self._transport.get("/v1"))["version"])

    async def ready(self) -> bool:
        """Whether the server takes requests now; it is asked once."""
        return await self._transport.answers("/readyz")

    async def aclose(self) -> None:
        """Gives back all connections."""
        await self._transport.aclose()

    async def __aenter__(self) -> AsyncWarren:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class AsyncSessions:
    """Sessions of a tenant."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(self, *, idempotency_key: str | None = None, **choices: Unpack[models.NewSession]) -> AsyncSession:
        """Makes a session; ``name``, ``template``, ``software``, ``files``, ``limits`` and so on are all optional."""
        info = await self._transport.post("/v1/sessions", dict(choices), key=idempotency_key)
        return AsyncSession(self._transport, info["id"], info)

    async def get(self, session: str) -> AsyncSession:
        """The session of this name or id, without waking it."""
        info = await self._transport.get(f"/v1/sessions/{segment(session)}")
        return AsyncSession(self._transport, info["id"], info)

    def at(self, session: str) -> AsyncSession:
        """The session of this name or id, without asking whether there is one: what a token may need."""
        return AsyncSession(self._transport, session, None)

    async def list(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        state: models.State | None = None,
        name_prefix: str | None = None,
        labels: Mapping[str, str] | None = None,
        template: str | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
    ) -> AsyncIterator[AsyncSession]:
        """Sessions in the order they were made: those of which all that is said is true.

        ``labels`` are all to be there with these values; ``limit`` is how many are asked for at once, 1 to 1000.
        """
        query: dict[str, Any] = {
            "after": after,
            "limit": limit,
            "state": state,
            "name_prefix": name_prefix,
            "label": [f"{name}={value}" for name, value in (labels or {}).items()],
            "template": template,
            "created_after": created_after and instant(created_after),
            "created_before": created_before and instant(created_before),
        }
        async for info in self._transport.pages("/v1/sessions", **query):
            yield AsyncSession(self._transport, info["id"], cast("models.Session", info))

    async def import_archive(
        self,
        archive: tasks.Source,
        *,
        name: str | None = None,
        template: str | None = None,
        durability: models.Durability | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncSession:
        """Makes a session of a tar archive: bytes, an open file, or parts as ``session.export()`` gives them."""
        info = await self._transport.post(
            "/v1/sessions/import",
            source=archive,
            query={"name": name, "template": template, "durability": durability},
            headers={"Content-Type": "application/x-tar"},
            key=idempotency_key,
            patient=True,
        )
        return AsyncSession(self._transport, info["id"], info)
