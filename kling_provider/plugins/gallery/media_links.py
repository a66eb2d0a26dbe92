# SPDX-License-Identifier: Apache-2.0
"""The links that a browser may be redirected to: https, at a host that serves the files of the connection.

What a task wrote may be anything; a redirect from Airflow to any URL could be used for phishing. Other links are shown as text to copy.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.models.connection import Connection

from kling_provider.api.hosts import KLING_MEDIA_HOSTS
from kling_provider.hooks.connection import KlingConnection

log = logging.getLogger(__name__)

#: The setting, as an administrator writes it.
SETTING = "[kling] media_hosts"
#: What events of older releases were made with.
_DEFAULT_CONNECTION = "kling_default"


@dataclass(frozen=True)
class MediaHosts:
    """The hosts that serve the files of one connection.

    :param own: scheme, host and port of the connection; a sandbox has http.
    :param names: other hosts; their subdomains count.
    """

    own: tuple[str, str, int | None]
    names: tuple[str, ...]

    def is_allowed(self, url: str) -> bool:
        """Say whether a browser may be redirected to ``url``."""
        try:
            parts = urlsplit(url)
            here = (parts.scheme, (parts.hostname or "").lower(), parts.port)
        except ValueError:
            return False
        if parts.username is not None or parts.password is not None or not here[1]:
            return False
        if here == self.own:
            return True
        return here[0] == "https" and (
            here[1] == self.own[1] or any(_is_subdomain(here[1], name) for name in self.names)
        )


def _is_subdomain(host: str, name: str) -> bool:
    """Say whether ``host`` is ``name`` or one of its subdomains."""
    name = name.lower().removeprefix("*").removeprefix(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _list_configured_hosts() -> tuple[str, ...]:
    """Return the hosts of ``[kling] media_hosts``, separated by commas or new lines."""
    written = (conf.get("kling", "media_hosts", fallback="") or "").replace("\n", ",")
    return tuple(filter(None, (name.strip() for name in written.split(","))))


def find_media_hosts(conn_id: str | None) -> MediaHosts:
    """Return the hosts for a connection: its own, and the configured ones; without the connection, Kling's instead."""
    told = _read_media_hosts(conn_id or _DEFAULT_CONNECTION)
    return replace(told, names=(*told.names, *_list_configured_hosts()))


def _read_media_hosts(conn_id: str) -> MediaHosts:
    try:
        stored = Connection.get_connection_from_secrets(conn_id)
        # A task could name any connection, to have its host trusted.
        connection = KlingConnection.parse(stored) if stored.conn_type == "kling" else None
    except Exception as error:  # noqa: BLE001 - a secrets backend may raise anything; there is no such host then
        log.debug("The media hosts of connection %s could not be read: %s", conn_id, type(error).__name__)
        connection = None
    if connection is None:
        return MediaHosts(("", "", None), KLING_MEDIA_HOSTS)
    parts = urlsplit(connection.base_url)
    return MediaHosts(
        (parts.scheme, (parts.hostname or "").lower(), parts.port), connection.profile.media_hosts
    )
