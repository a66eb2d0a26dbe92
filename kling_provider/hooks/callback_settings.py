# SPDX-License-Identifier: Apache-2.0
"""What a connection says about Kling's callbacks: the secrets that sign them, and the public URL at which Airflow gets them."""

from __future__ import annotations

import base64
import binascii
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.providers.common.compat.sdk import conf

from kling_provider.api.catalog import spec_of
from kling_provider.api.redaction import shorten
from kling_provider.compat import has_callbacks
from kling_provider.exceptions import KlingRequestError
from kling_provider.task_log import hide_in_logs

if TYPE_CHECKING:
    from kling_provider.api.requests.base import KlingRequest
    from kling_provider.hooks.connection import KlingConnection

#: Where Airflow's API server takes callbacks, below its own URL; the id of the connection follows.
_ROUTE = "/kling-callbacks"
_PREFIX = "whsec_"
#: Names that only machines of one network know.
_INNER_NAMES = ("localhost", ".local", ".internal", ".localdomain", ".lan", ".svc", ".test", ".invalid")


def read_webhook_secrets(conn_id: str, value: Any) -> tuple[str, ...]:
    """Read the extra ``webhook_secret``: one secret or, while it is rotated, several with spaces or commas between them.

    :raises KlingRequestError: where one of them is no secret of Kling's console.
    """
    secrets = tuple(str(value or "").replace(",", " ").split())
    for secret in secrets:
        hide_in_logs(secret)
    if not all(map(_is_secret, secrets)):
        raise KlingRequestError(
            f"Connection {conn_id!r}: extra webhook_secret must be the Webhook Secret of Kling's console, which begins with "
            "whsec_ and goes on in base64 (several with a space between them). Nothing was sent."
        )
    return secrets


def _is_secret(text: str) -> bool:
    try:
        # Padding may be missing, as in other libraries that sign.
        key = base64.b64decode(text.removeprefix(_PREFIX) + "==", validate=False)
    except (binascii.Error, ValueError):
        return False
    return text.startswith(_PREFIX) and text.isascii() and bool(key)


def read_callback_base_url(conn_id: str, value: Any) -> str:
    """Read the extra ``callback_base_url``: the URL of Airflow's API server as Kling reaches it.

    :raises KlingRequestError: where it is no plain http or https URL.
    """
    text = str(value or "").strip().rstrip("/")
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number, an IPv6 address without its end
        is_plain = is_url = False
    if not is_plain or not is_url or any(sign.isspace() for sign in text):
        raise KlingRequestError(
            f"Connection {conn_id!r}: extra callback_base_url must be the public URL of Airflow's API server, such as "
            f"https://airflow.example.com; found {shorten(repr(text), 60)}. Nothing was sent."
        )
    return text


def find_callback_url(connection: KlingConnection) -> str | None:
    """Return the URL that Kling is to call for tasks of a connection; ``None`` where callbacks are off.

    They are on from Airflow 3.3, where the connection has a webhook secret and Airflow a URL that Kling can reach: the
    connection's ``callback_base_url``, else ``[api] base_url`` where that is not one of this network.
    """
    if not connection.webhook_secrets or not has_callbacks():
        return None
    base = connection.callback_base_url or _find_public_base_url()
    return f"{base}{_ROUTE}/{quote(connection.conn_id, safe='')}" if base else None


def fill_callback_url(request: KlingRequest, connection: KlingConnection) -> KlingRequest:
    """Return the request with the callback URL of its connection, where its type, model and host take one.

    What its author wrote stays. It is no part of the request's identity.
    """
    if request.callback_url or not spec_of(request).callbacks:
        return request
    url = find_callback_url(connection)
    if url is None:
        return request
    filled = request.model_copy(update={"callback_url": url})
    # What cannot be sent there is refused when its author writes it, and left out where we would.
    if len(connection.find_unsupported(filled)) > len(connection.find_unsupported(request)):
        return request
    return filled


def _find_public_base_url() -> str:
    text = (conf.get("api", "base_url", fallback="") or "").strip().rstrip("/")
    try:
        return text if _is_public(text) else ""
    except ValueError:
        return ""


def _is_public(url: str) -> bool:
    """Tell whether a URL may be one that Kling reaches: no loopback, no private IP address, no name of one network."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if parts.scheme not in ("http", "https") or not host:
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host.strip(".") and not host.rstrip(".").endswith(_INNER_NAMES)
