"""Requests: sent, answered or refused, and sent again where that is safe."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from websockets.exceptions import InvalidHandshake, InvalidStatus

from .. import _tasks as tasks
from .._retry import Attempts, Retry, new_key
from .._values import FRAME_BYTES_MAX
from ..errors import WarrenError, problem

VERSION = "0.1.0"
#: Connections of one client at once; a further request waits for one.
CONNECTIONS_MAX = 1000
#: Bytes of a message of a WebSocket: a frame with its head, or what is said beside it.
MESSAGE_BYTES_MAX = 16 * FRAME_BYTES_MAX
#: A connection that is silent because a command runs for long is asked every few seconds whether it is there.
ALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4))
    if hasattr(socket, name)
]
#: Nothing was sent when these are raised.
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class AsyncTransport:
    """The way to one server, with one key."""

    def __init__(self, url: str, key: str, timeout: float, patience: float, proxy: str | None) -> None:
        self.url, self.key, self.timeout, self.patience, self.proxy = url, key, timeout, patience, proxy
        limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=32)
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}", "User-Agent": f"warren-python/{VERSION}"},
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
            transport=tasks.HTTPTransport(proxy=proxy, limits=limits, socket_options=ALIVE),
        )

    async def aclose(self) -> None:
        """Gives back all connections."""
        await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        json: Any = None,
        source: tasks.Source | None = None,
        headers: dict[str, str] | None = None,
        retry: Retry = "never",
        key: str | None = None,
        patient: bool = False,
    ) -> httpx.Response:
        """Sends a request until it is answered, and gives the answer with its whole body.

        ``patient`` waits for the answer however long it takes. What can be sent only once, such as a file that is read
        as it is sent, is sent once, whatever ``retry`` says.
        """
        headers, retry = dict(headers or {}), self._keyed(retry)
        content, repeatable = (None, True) if source is None else tasks.content(source, FRAME_BYTES_MAX)
        if key is not None:
            headers["Idempotency-Key"], retry = key, "key"
        elif retry == "key":
            headers["Idempotency-Key"] = new_key()
        attempts = Attempts(self.patience if repeatable else 0.0, retry)
        timeout = httpx.Timeout(self.timeout, read=None) if patient else self._http.timeout
        while True:
            try:
                answer = await self._http.request(
                    method,
                    self.url + path,
                    params=query_of(query),
                    json=json,
                    content=content,
                    headers=headers,
                    timeout=timeout,
                )
            except httpx.TransportError as error:
                wait = attempts.broken(error, sent=not isinstance(error, NEVER_SENT))
            else:
                if answer.is_success:
                    return answer
                refused = refusal(answer)
                if refused.code == "request_keys_full" and key is None and retry == "key":
                    # The server remembers no more keys for a day. Without one it is done all the same, and sent once.
                    retry = attempts.retry = "never"
                    del headers["Idempotency-Key"]
                    continue
                wait = attempts.refused(refused)
            await tasks.sleep(wait)

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON that is there."""
        return parsed(await self.request("GET", path, query=query, retry="again"))

    async def post(self, path: str, json: Any = None, *, retry: Retry = "key", **more: Any) -> Any:
        """What comes of a POST: JSON, or nothing."""
        answer = await self.request("POST", path, json=json, retry=retry, **more)
        return parsed(answer) if answer.content else None

    async def pages(self, path: str, **query: Any) -> AsyncIterator[Any]:
        """The items of a list, part after part."""
        while True:
            page = await self.get(path, **query)
            for item in page["items"]:
                yield item
            if page.get("next") is None:
                return
            query["after"] = page["next"]

    async def answers(self, path: str) -> bool:
        """Whether a GET is answered well; it is asked for once."""
        try:
            return (await self._http.get(self.url + path)).is_success
        except httpx.TransportError:
            return False

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        json: Any = None,
    ) -> AsyncIterator[httpx.Response]:
        """A GET whose body is read as it comes, or a POST of ``json`` that only reads. It is asked for once;
        ``httpx.TransportError`` passes through.
        """
        method, url, params = "GET" if json is None else "POST", self.url + path, query_of(query)
        async with self._http.stream(method, url, params=params, headers=headers, json=json) as answer:
            if not answer.is_success:
                await answer.aread()
                raise refusal(answer)
            yield answer

    async def socket(self, path: str, *, query: dict[str, Any] | None = None) -> tasks.Socket:
        """Opens a WebSocket. It is asked for once; what breaks is an ``OSError`` or a ``TimeoutError``."""
        url = str(httpx.URL("ws" + self.url.removeprefix("http") + path, params=query_of(query) or None))
        try:
            opening = tasks.connect(
                url,
                additional_headers={"Authorization": f"Bearer {self.key}"},
                subprotocols=["warren.v1"],  # type: ignore[list-item]
                user_agent_header=f"warren-python/{VERSION}",
                proxy=self.proxy,
                max_size=MESSAGE_BYTES_MAX,
                compression=None,
                open_timeout=min(self.timeout, 10.0),
                close_timeout=2.0,
            )
            # What is entered is the connection, which its owner closes; not every version's types say so.
            entered: Any = await opening.__aenter__()
            connection: tasks.Socket = entered
            return connection
        except InvalidStatus as error:
            refused, headers = error.response, list(error.response.headers.raw_items())
            answer = httpx.Response(refused.status_code, headers=headers, content=bytes(refused.body or b""))
            raise refusal(answer) from None
        except (InvalidHandshake, EOFError) as error:
            raise ConnectionError(f"no WebSocket: {error}") from error

    def attempts(self, retry: Retry = "again") -> Attempts:
        """Attempts at something, with this client's patience."""
        return Attempts(self.patience, retry)

    def _keyed(self, retry: Retry) -> Retry:
        # A client that tries once needs no keys, and spares the server the writing of them.
        return "never" if retry == "key" and self.patience <= 0 else retry


def query_of(query: dict[str, Any] | None) -> dict[str, Any]:
    """A query with what was said, and ``true`` and ``false`` as the server spells them."""
    said = {name: value for name, value in (query or {}).items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in said.items()}


def parsed(answer: httpx.Response) -> Any:
    """The JSON of an answer."""
    try:
        return answer.json()
    except ValueError as error:
        raise WarrenError("bad_answer", f"the answer is no JSON: {error}", status=answer.status_code) from error


def refusal(answer: httpx.Response) -> WarrenError:
    """The error of an answer that is none."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    return problem(answer.status_code, body, answer.headers)
