# SPDX-License-Identifier: Apache-2.0
"""An Airflow connection of type ``kling`` -> where to call, as whom, and what the host can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kling_provider.api.auth import AccessKey, ApiKey, Credential
from kling_provider.api.dialects import DIALECTS, Dialect
from kling_provider.api.hosts import PROFILES, REGIONS, HostProfile, profile_name
from kling_provider.exceptions import KlingAuthError, KlingRequestError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from kling_provider.api.problems import Problem
    from kling_provider.api.requests import Request

#: Our own extras. HttpHook sends extras that it does not know as HTTP headers, so these are taken out first.
OUR_EXTRAS = ("region", "profile", "api", "namespace", "max_concurrency")


@dataclass(frozen=True)
class KlingConnection:
    """What the fields of a connection mean. ``http_extras`` are HttpHook's: proxies, TLS, timeout, headers."""

    conn_id: str
    base_url: str
    credential: Credential
    profile: HostProfile
    api: str
    namespace: str = ""
    #: Tasks in flight that the account allows per model; ``None`` is unknown.
    max_concurrency: int | None = None
    http_extras: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def dialect(self) -> Dialect:
        return DIALECTS[self.api]

    def dropped(self, request: Request) -> list[Problem]:
        """What API design or host would drop without a word; such a request is not sent."""
        return [*self.dialect.dropped(request), *self.profile.dropped(request)]

    @property
    def host(self) -> str:
        """For messages: no path, no user part."""
        parts = urlsplit(self.base_url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    @classmethod
    def parse(cls, connection: Connection) -> KlingConnection:
        """Read the fields of design section 4.

        :raises KlingAuthError: where the credential is missing or does not fit the API design.
        :raises KlingRequestError: where an extra has a value that is not offered.
        """
        conn_id = connection.conn_id
        extras = dict(connection.extra_dejson)
        ours = {key: extras.pop(key, None) for key in OUR_EXTRAS}
        region = _choice(conn_id, "region", ours["region"], REGIONS, "global")
        base_url = _base_url(connection) or REGIONS[region]
        profile = PROFILES[_choice(conn_id, "profile", ours["profile"], PROFILES, profile_name(base_url))]
        profile = profile.at(base_url)
        password = (connection.password or "").strip()
        if not password:
            raise KlingAuthError(
                f"Connection {conn_id!r} has no password: put the API key there "
                "(or the secret key, with the access key as login). Nothing was sent."
            )
        _mask(password)
        if not password.isascii() or not password.isprintable() or " " in password:
            raise KlingAuthError(
                f"Connection {conn_id!r}: the password holds a character that no key has (a space, a line break, a "
                "letter with an accent): paste the key once more."
            )
        login = (connection.login or "").strip()
        api_key = not login
        # Access key and secret key are refused by the standard API (1002), so they mean the legacy one.
        api = _choice(conn_id, "api", ours["api"], DIALECTS, profile.api if api_key else "legacy")
        if not api_key and api == "standard":
            raise KlingAuthError(
                f"Connection {conn_id!r} has a login, so its password is a secret key, and the standard API takes "
                "API keys only: make an API key in Kling's console and leave login empty, or set api to legacy. "
                "Nothing was sent."
            )
        credential: Credential = ApiKey(password) if api_key else AccessKey(login, password)
        return cls(
            conn_id=conn_id,
            base_url=base_url,
            credential=credential,
            profile=profile.seen_by(api_key=api_key),
            api=api,
            namespace=str(ours["namespace"] or ""),
            max_concurrency=_positive(conn_id, "max_concurrency", ours["max_concurrency"]),
            http_extras=extras,
        )


def _base_url(connection: Connection) -> str:
    """Host, scheme, port and path prefix put together; without a scheme it is https (HttpHook: http)."""
    host = (connection.host or "").strip().rstrip("/")
    if not host:
        return ""
    if "://" not in host:
        scheme = connection.schema if connection.schema in ("http", "https") else "https"
        host = f"{scheme}://{host}"
    try:
        parts = urlsplit(host)
        port = parts.port or connection.port
    except ValueError:  # a port that is no number, an IPv6 address without its end
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise KlingRequestError(
            f"Connection {connection.conn_id!r}: host is an address such as https://api-singapore.klingai.com "
            "or https://gateway.example/kling."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise KlingRequestError(
            f"Connection {connection.conn_id!r}: host holds more than an address and a path; the key belongs "
            "into the password field."
        )
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def _choice(conn_id: str, name: str, value: Any, allowed: Any, default: str) -> str:
    text = str(value or "").strip()
    if not text:
        return default
    if text not in allowed:
        raise KlingRequestError(
            f"Connection {conn_id!r}: extra {name} is one of {', '.join(allowed)}; found {text!r}."
        )
    return text


def _positive(conn_id: str, name: str, value: Any) -> int | None:
    if value in (None, ""):
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise KlingRequestError(
            f"Connection {conn_id!r}: extra {name} is a whole number from 1; found {value!r}."
        )
    return number


def _mask(secret: str) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret(secret)
