"""Which server is asked and with which key, where the program does not say: as the ``warren`` command finds them."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Where a server listens unless it is told otherwise.
LISTEN = "127.0.0.1:7717"
#: Bytes of the small files of a data folder that are looked at.
FILE_BYTES_MAX = 256


def server(url: str | None, key: str | None, variables: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The URL and the key to use.

    Raises ``ValueError`` when the URL is none, or there is no key.
    """
    url, key = url or variables.get("WARREN_URL"), key or variables.get("WARREN_KEY")
    config = {} if url and key else configuration(variables)
    listen = variables.get("WARREN_SERVER__LISTEN") or config.get("server", {}).get("listen", LISTEN)
    url = (url or f"http://{listen}").rstrip("/")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ValueError(f"`{url}` is no URL of a server; give http://ADDRESS:PORT")
    key = key or own_key(data_folder(config, variables), url)
    if not key:
        raise ValueError("there is no key: give Warren(key=...), or set WARREN_KEY")
    return url, key


def configuration(variables: Mapping[str, str]) -> dict[str, Any]:
    """The configuration file that this user's server would read; nothing if there is none."""
    home = variables.get("XDG_CONFIG_HOME") or str(Path(variables.get("HOME", "/")) / ".config")
    named = variables.get("WARREN_CONFIG")
    usual = [Path(home) / "warren/config.toml", Path("/etc/warren/config.toml")]
    for path in [Path(named)] if named else usual:
        if path.is_file():
            return tomllib.loads(path.read_text("utf-8"))
    return {}


def data_folder(config: Mapping[str, Any], variables: Mapping[str, str]) -> Path:
    """Where this user's server keeps its data."""
    if folder := variables.get("WARREN_DATA__DIR") or config.get("data", {}).get("dir"):
        return Path(folder)
    if folder := variables.get("STATE_DIRECTORY"):
        return Path(folder.split(":")[0])
    if folder := variables.get("XDG_STATE_HOME"):
        return Path(folder) / "warren"
    return Path(variables.get("HOME", "/")) / ".local/state/warren"


def own_key(folder: Path, url: str) -> str | None:
    """The key in a data folder, for the server of that folder.

    It is on this machine and at the port that it said it is at: whoever listens elsewhere is not shown the key.
    """
    said = [word for word in (read(folder / "server.lock") or "").split() if word.startswith("http://")]
    port = local_port(url)
    if port is None or not said or local_port(said[0]) != port:
        return None
    return read(folder / "client.key")


def local_port(url: str) -> int | None:
    """The port of a URL that leads to this machine."""
    parts = urlsplit(url)
    try:
        if parts.scheme != "http" or parts.port is None:
            return None
        host = ipaddress.ip_address(parts.hostname or "")
        return parts.port if host.is_loopback or host.is_unspecified else None
    except ValueError:
        return parts.port if parts.hostname == "localhost" else None


def read(path: Path) -> str | None:
    """The beginning of a small file, without the white space around it; nothing if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX).decode("utf-8", "replace").strip()
    except OSError:
        return None
