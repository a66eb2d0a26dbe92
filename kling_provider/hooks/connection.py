# SPDX-License-Identifier: Apache-2.0
"""Parse an Airflow connection of type ``kling``: the host, the credential, and what the host can do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from kling_provider.api.auth import AccessKey, ApiKey, Credential
from kling_provider.api.catalog import estimate_price, spec_of
from kling_provider.api.dialects import DIALECTS, Dialect, find_dialect
from kling_provider.api.host_profiles import PROFILES, find_profile_name
from kling_provider.api.hosts import REGIONS, HostProfile
from kling_provider.api.pricing import Price, UnitPrice
from kling_provider.api.problems import Problem
from kling_provider.api.redaction import shorten
from kling_provider.api.suggestions import suggest
from kling_provider.exceptions import KlingAuthError, KlingConnectionMissing, KlingRequestError
from kling_provider.hooks.callback_settings import read_callback_base_url, read_webhook_secrets
from kling_provider.hooks.connection_form import AUTOMATIC
from kling_provider.hooks.http_options import HTTP_OPTIONS
from kling_provider.task_log import hide_in_logs

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from kling_provider.api.requests.base import KlingRequest

#: Our own extras. HttpHook sends extras that it does not know as HTTP headers, so these are taken out first.
OUR_EXTRAS = (
    "region",
    "profile",
    "api",
    "namespace",
    "unit_price",
    "max_concurrency",
    "webhook_secret",
    "callback_base_url",
)
#: Ours too, and not in the form: few need it, and it lifts a protection.
_UNLISTED_EXTRAS = ("allow_private_downloads",)
_KNOWN_EXTRAS = (*OUR_EXTRAS, *_UNLISTED_EXTRAS, *HTTP_OPTIONS)


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
    #: What a unit costs at a host that is not Kling's own; ``None`` is unknown.
    unit_price: UnitPrice | None = None
    #: Results may be downloaded from private addresses of other hosts than the connection's own.
    allow_private_downloads: bool = False
    #: Each of them signs Kling's callbacks; without one there are none.
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    #: Where Kling reaches Airflow's API server; empty: not said here.
    callback_base_url: str = ""
    http_extras: dict[str, Any] = field(default_factory=dict, repr=False)
    #: Why the profile is what it is, for people.
    profile_reason: str = ""

    @property
    def dialect(self) -> Dialect:
        """Return the API design that the connection speaks."""
        return DIALECTS[self.api]

    @property
    def read_dialect(self) -> Dialect:
        """Return the API that reads one task: at some gateways another one than the API that makes it."""
        return DIALECTS[self.profile.read_api or self.api]

    def find_dialect(self, request: KlingRequest) -> Dialect:
        """Return the API design that a request goes by: that of the connection, where its type has a path there."""
        return find_dialect(self.dialect, spec_of(request), request.model)

    def can_find(self, request: KlingRequest) -> bool:
        """Tell whether a task of a request's type is found here by its external id."""
        found_by_it = spec_of(request).found_by_external_id or self.profile.task_reads
        return self.profile.can_find_by_external_id and found_by_it

    def find_unsupported(self, request: KlingRequest) -> list[Problem]:
        """Find what the API design or the host would drop silently; such a request is not sent."""
        dialect, spec = self.find_dialect(request), spec_of(request)
        if spec.choose_design(dialect.design, request.model) is None:
            message = f"must be used with a connection with api: standard: the {dialect.design} API has no "
            if spec.choose_design(dialect.design) is None:
                return [Problem("type", None, message + spec.type)]
            return [Problem("model", request.model, message + "such model")]
        return [
            *request.find_unsupported(dialect.design),
            *dialect.find_unsupported(request),
            *self.profile.find_unsupported(request),
        ]

    def price_request(self, request: KlingRequest, seconds: Mapping[str, float] | None = None) -> Price:
        """Return what a request costs here: Kling's list price, or that of another host by its stated price of a unit.

        :param seconds: how long its inputs are, by field, as far as that is known.
        """
        price = estimate_price(request, seconds)
        if self.unit_price is not None:
            return self.unit_price.apply(price)
        if self.profile.is_kling:
            return price
        return Price(
            None,
            None,
            f'{self.host} has prices of its own; state them with the extra unit_price, such as "0.79 CNY", in the '
            "connection",
            package=price.package,
        )

    @property
    def host(self) -> str:
        """Return host and port for messages, without path and user part."""
        parts = urlsplit(self.base_url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    @classmethod
    def parse(cls, connection: Connection) -> KlingConnection:
        """Parse an Airflow connection of type ``kling``.

        :raises KlingAuthError: where the credential is missing or does not fit the API design.
        :raises KlingRequestError: where an extra or the host has an invalid value.
        """
        conn_id = connection.conn_id
        extras = _read_extras(connection)
        ours = {key: extras.pop(key, None) for key in (*OUR_EXTRAS, *_UNLISTED_EXTRAS)}
        region = _read_choice(conn_id, "region", ours["region"], REGIONS, "global")
        base_url = _build_base_url(connection) or REGIONS[region]
        profile = PROFILES[
            _read_choice(conn_id, "profile", ours["profile"], PROFILES, find_profile_name(base_url))
        ]
        profile = profile.for_base_url(base_url)
        password = (connection.password or "").strip()
        if not password:
            raise KlingAuthError(
                f"Connection {conn_id!r}: password must be the API key (or the secret key, with the access key as login); it "
                "is empty. Nothing was sent."
            )
        hide_in_logs(password)
        if not password.isascii() or not password.isprintable() or " " in password:
            raise KlingAuthError(
                f"Connection {conn_id!r}: password must be a key without spaces, line breaks and letters with accents: paste "
                "the key once more. Nothing was sent."
            )
        login = (connection.login or "").strip()
        api_key = not login
        # Access key and secret key are refused by the standard API (1002), so they mean the legacy one.
        api = _read_choice(conn_id, "api", ours["api"], DIALECTS, profile.api if api_key else "legacy")
        if not api_key and api == "standard":
            raise KlingAuthError(
                f"Connection {conn_id!r}: login must be empty on the standard API, which accepts API keys only (with a login, "
                "the password is a secret key). Make an API key in Kling's console and leave login empty, or set the "
                "extra api to legacy. Nothing was sent."
            )
        credential: Credential = ApiKey(password) if api_key else AccessKey(login, password)
        namespace = str(ours["namespace"] or "").strip()
        return cls(
            conn_id=conn_id,
            base_url=base_url,
            credential=credential,
            profile=profile.for_credential(api_key=api_key).for_api(api).with_namespace(namespace),
            api=api,
            namespace=namespace,
            max_concurrency=_read_positive(conn_id, "max_concurrency", ours["max_concurrency"]),
            unit_price=_read_unit_price(conn_id, ours["unit_price"]),
            allow_private_downloads=_read_flag(
                conn_id, "allow_private_downloads", ours["allow_private_downloads"]
            ),
            webhook_secrets=read_webhook_secrets(conn_id, ours["webhook_secret"]),
            callback_base_url=read_callback_base_url(conn_id, ours["callback_base_url"]),
            http_extras=extras,
            profile_reason=_explain_profile(ours["profile"], profile.name, base_url),
        )


def _explain_profile(said: Any, name: str, base_url: str) -> str:
    if str(said or "").strip() not in ("", AUTOMATIC):
        return "the connection says so"
    host = urlsplit(base_url).hostname
    if name != "gateway":
        return f"by its host, {host}"
    return f"{host} is not a known host; if it is Kling under another name, set the extra profile to kling"


def read_connection(conn_id: str) -> Connection:
    """Read an Airflow connection.

    :raises KlingConnectionMissing: where there is none, saying how to make it.
    """
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise KlingConnectionMissing(_explain_missing_connection(conn_id)) from None


def _explain_missing_connection(conn_id: str) -> str:
    """Explain how to make a connection that is missing."""
    return (
        f"There is no connection {conn_id!r}. Make it in Airflow (Admin, Connections, type Kling), or with: airflow "
        f"connections add {conn_id} --conn-type kling --conn-password YOUR_API_KEY. Nothing was sent."
    )


def _read_extras(connection: Connection) -> dict[str, Any]:
    """Read all extras; a name that is similar to one of ours is refused.

    It would be sent as a header, and its setting be lost.

    :raises KlingRequestError: for such a name, and where extra is not a JSON object.
    """
    conn_id = connection.conn_id
    extras: Any = connection.extra_dejson
    if not isinstance(extras, dict) or (not extras and _says_something(connection.extra)):
        raise KlingRequestError(
            f'Connection {conn_id!r}: extra must be a JSON object such as {{"profile": "kling"}}. Nothing was sent.'
        )
    for name in extras:
        if name in _KNOWN_EXTRAS or name.lower().startswith("x-"):
            continue
        plain = re.sub(r"[^a-z]+", "_", name.lower().removeprefix("extra__kling__"))
        near = get_close_matches(plain, _KNOWN_EXTRAS, n=1, cutoff=0.8)
        if near:
            raise KlingRequestError(
                f"Connection {conn_id!r}: extra {name!r} must be a known extra. Did you mean {near[0]!r}? Other extras are sent "
                "as HTTP headers, and this one looks like a typing error. Nothing was sent."
            )
    return dict(extras)


def _says_something(extra: str | None) -> bool:
    return (extra or "").strip() not in ("", "{}", "null")


def _build_base_url(connection: Connection) -> str:
    """Build the base URL from host, scheme, port and path prefix; the default scheme is https (HttpHook: http).

    :raises KlingRequestError: where they make no URL.
    """
    host = (connection.host or "").strip().rstrip("/")
    schema = (connection.schema or "").strip().strip("/")
    if not host:
        if schema not in ("", "http", "https"):
            raise KlingRequestError(
                f"Connection {connection.conn_id!r}: host must be the whole URL where schema is set; schema is {schema!r} and "
                "host is empty. Write the URL into host, or leave both empty. Nothing was sent."
            )
        return ""
    if "://" not in host:
        scheme = schema if schema in ("http", "https") else "https"
        host = f"{scheme}://{host}"
    if schema not in ("", "http", "https"):
        # What follows the host in a connection URI, kling://:key@www.dmxapi.cn/kling, arrives here.
        host = f"{host}/{schema}"
    try:
        parts = urlsplit(host)
        port = parts.port or connection.port
    except ValueError:  # a port that is no number, an IPv6 address without its end
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise KlingRequestError(
            f"Connection {connection.conn_id!r}: host must be a URL such as https://api-singapore.klingai.com "
            "or https://gateway.example/kling."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise KlingRequestError(
            f"Connection {connection.conn_id!r}: host must be a URL without user, password, query and fragment; write "
            "the key into the field password."
        )
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def _read_choice(conn_id: str, name: str, value: Any, allowed: Any, default: str) -> str:
    text = str(value or "").strip()
    if text in ("", AUTOMATIC):
        return default
    if text not in allowed:
        raise KlingRequestError(
            f"Connection {conn_id!r}: extra {name} must be one of {', '.join(allowed)}; found {text!r}."
            f"{suggest(text, allowed)}"
        )
    return text


def _read_positive(conn_id: str, name: str, value: Any) -> int | None:
    if value in (None, ""):
        return None
    text = str(value).strip().removesuffix(".0")
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise KlingRequestError(
            f"Connection {conn_id!r}: extra {name} must be a whole number from 1; found {shorten(repr(value), 60)}."
        )
    return int(text)


def _read_unit_price(conn_id: str, value: Any) -> UnitPrice | None:
    text = str(value or "").strip()
    if not text:
        return None
    if (price := UnitPrice.parse(text)) is None:
        raise KlingRequestError(
            f'Connection {conn_id!r}: extra unit_price must be an amount and a currency, such as "0.79 CNY"; found '
            f"{value!r}. Nothing was sent."
        )
    return price


def _read_flag(conn_id: str, name: str, value: Any) -> bool:
    text = str("" if value is None else value).strip().lower()
    if text not in ("", "true", "false"):
        raise KlingRequestError(
            f"Connection {conn_id!r}: extra {name} must be true or false; found {value!r}."
        )
    return text == "true"
