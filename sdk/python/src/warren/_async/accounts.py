"""Keys and tenants. ``tenant`` means another tenant's keys, and needs ``tenants:manage``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, cast

from .._values import Span, given, segment, span
from .transport import AsyncTransport

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .. import models


class AsyncKeys:
    """Keys of a tenant."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self, *, tenant: str | None = None) -> AsyncIterator[models.Key]:
        """All of them, also those that work no more, without their secrets."""
        async for key in self._transport.pages("/v1/keys", tenant=tenant):
            yield key

    async def get(self, key: str, *, tenant: str | None = None) -> models.Key:
        """The key of this id."""
        return cast("models.Key", await self._transport.get(f"/v1/keys/{segment(key)}", tenant=tenant))

    async def create(
        self,
        name: str,
        *,
        role: models.Role | None = None,
        scopes: Sequence[models.Scope] | None = None,
        expires_in: Span | None = None,
        tenant: str | None = None,
        idempotency_key: str | None = None,
    ) -> models.KeyWithText:
        """Makes one, with a role or with scopes. ``key`` of the answer is its text, and nothing else ever has it."""
        life = None if expires_in is None else span(expires_in)
        new = given(name=name, role=role, scopes=None if scopes is None else list(scopes), expires_in=life)
        made = await self._transport.post("/v1/keys", new, query={"tenant": tenant}, key=idempotency_key)
        return cast("models.KeyWithText", made)

    async def rotate(
        self, key: str, *, grace: Span | None = None, tenant: str | None = None, idempotency_key: str | None = None
    ) -> models.KeyWithText:
        """Gives it a new secret, in ``key``; the old one works for the grace, a day unless said otherwise."""
        asked = given(grace=None if grace is None else span(grace))
        path = f"/v1/keys/{segment(key)}/rotate"
        made = await self._transport.post(path, asked, query={"tenant": tenant}, key=idempotency_key)
        return cast("models.KeyWithText", made)

    async def revoke(self, key: str, *, tenant: str | None = None) -> None:
        """Ends it at once."""
        await self._transport.request("DELETE", f"/v1/keys/{segment(key)}", query={"tenant": tenant})


class AsyncTenants:
    """Tenants of a server."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self) -> AsyncIterator[models.Tenant]:
        """All of them, in the order of their ids."""
        async for tenant in self._transport.pages("/v1/tenants"):
            yield tenant

    async def get(self, tenant: str) -> models.Tenant:
        """The tenant of this id."""
        return cast("models.Tenant", await self._transport.get(f"/v1/tenants/{segment(tenant)}"))

    async def create(self, id: str, *, title: str | None = None, idempotency_key: str | None = None) -> models.Tenant:
        """Makes one. It has no key yet."""
        made = await self._transport.post("/v1/tenants", given(id=id, title=title), key=idempotency_key)
        return cast("models.Tenant", made)

    async def update(self, tenant: str, **changes: Unpack[models.TenantChange]) -> models.Tenant:
        """Changes what is named, all of it or nothing; ``None`` is what the server says for all."""
        answer = await self._transport.request("PATCH", f"/v1/tenants/{segment(tenant)}", json=dict(changes))
        return cast("models.Tenant", answer.json())

    async def disable(self, tenant: str) -> None:
        """Ends its keys. Its sessions stay."""
        await self._transport.request("DELETE", f"/v1/tenants/{segment(tenant)}")
