# SPDX-License-Identifier: Apache-2.0
"""Read how to reach a host, from a connection's extras and the environment: headers, proxies, certificates, time-outs.

It is the same for both transports. It sends nothing.
"""

from __future__ import annotations

import json
import re
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import certifi
from requests import Session
from requests.utils import select_proxy

from kling_provider.exceptions import KlingRequestError

#: Seconds until a connection stands, and between two pieces of an answer, where the connection says nothing.
_CONNECT_TIMEOUT = 10.0
_READ_TIMEOUT = 60.0

#: What HttpHook takes out of a connection's extras; all others it sends as headers.
HTTP_OPTIONS = (
    "stream",
    "cert",
    "proxies",
    "proxy",
    "timeout",
    "verify",
    "verify_ssl",
    "allow_redirects",
    "max_redirects",
    "trust_env",
    "check_response",
    "srv_lookup",
)

#: Files of TLS that were good, with the time of their last change.
_good_files: deque[tuple[object, ...]] = deque(maxlen=16)

#: What may be sent (RFC 9110: tokens, and visible characters of Latin-1).
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa1-\xff]*")
#: The longest time-out of a connection, in seconds: sockets take no more than some hundred years.
_LONGEST_TIMEOUT = 86_400.0


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """``http_extras`` of a connection, read: the user's own headers, and how to reach the host.

    ``proxies`` is in requests' form (``{"https": "http://proxy:3128", "no_proxy": "…"}``); ``verify`` is a
    flag or the path of a CA bundle; ``cert`` the path of a client certificate, or of certificate and key.
    Both timeouts are in seconds.
    """

    headers: dict[str, str] = field(default_factory=dict, repr=False)
    proxies: dict[str, str] | None = field(default=None, repr=False)
    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    connect_timeout: float = _CONNECT_TIMEOUT
    read_timeout: float = _READ_TIMEOUT
    #: Whether proxies and CA bundle of the environment count. Never netrc.
    trust_env: bool = True

    @property
    def answer_time(self) -> float:
        """Return the seconds for a whole response, however slowly it comes."""
        return self.connect_timeout + 2 * self.read_timeout


@dataclass(frozen=True, slots=True)
class Route:
    """How one URL is reached, the environment's settings included. ``proxy`` may carry a password."""

    proxy: str | None = field(repr=False)
    verify: bool | str
    cert: str | tuple[str, str] | None


def split_extras(http_extras: Mapping[str, Any]) -> HttpOptions:
    """Split HttpHook's extras into options and headers, as HttpHook does, with values made text.

    ``allow_redirects``, ``max_redirects``, ``check_response``, ``stream`` and ``srv_lookup`` are
    ignored: they would make a paid call repeat itself, or go to a host that the connection does not name.

    :raises KlingRequestError: naming the extra whose value cannot be used (never the value: it may be secret).
    """
    options = {name: http_extras.get(name) for name in HTTP_OPTIONS}
    connect, read = _read_timeouts(options["timeout"])
    verify = options["verify"] if options["verify"] is not None else options["verify_ssl"]
    proxies = options["proxies"] if options["proxies"] is not None else options["proxy"]
    return HttpOptions(
        headers={
            str(name): _check_header(str(name), value)
            for name, value in http_extras.items()
            if name not in HTTP_OPTIONS and value is not None
        },
        proxies=_read_proxies(proxies),
        verify=_read_flag(verify, True) if not isinstance(verify, str) else _read_flag_or_path(verify),
        cert=_read_cert(options["cert"]),
        connect_timeout=connect,
        read_timeout=read,
        trust_env=_read_flag(options["trust_env"], True),
    )


def make_session(options: HttpOptions) -> Session:
    """Make a session with a connection's own headers, proxies and certificates."""
    session = Session()
    session.headers.update(options.headers)
    session.proxies = dict(options.proxies or {})
    session.verify, session.cert, session.trust_env = options.verify, options.cert, options.trust_env
    return session


def find_route(url: str, options: HttpOptions) -> Route:
    """Find proxy, CA bundle and client certificate for one URL, by requests' own rules.

    ``HTTPS_PROXY``, ``NO_PROXY``, ``REQUESTS_CA_BUNDLE`` and their like count; the connection's own settings
    come first. Imports requests (200 ms): call it in a thread where a loop runs.
    """
    with make_session(options) as session:
        merged = session.merge_environment_settings(url, session.proxies, False, session.verify, session.cert)
    proxy = select_proxy(url, dict(merged["proxies"]))
    return Route(
        proxy=proxy if not proxy or "://" in proxy else f"http://{proxy}",
        verify=True if merged["verify"] is None else merged["verify"],
        cert=merged["cert"],
    )


def load_tls(where: str, verify: bool | str | None, cert: str | tuple[str, str] | None) -> ssl.SSLContext:
    """Load the TLS files by requests' rules.

    The bundle is certifi's unless a file or folder is named; where ``verify`` is false, nothing is verified.

    :param where: for the error: ``"Connection 'kling_default'"``.
    :raises KlingRequestError: where a file is missing, holds no certificate, or holds an encrypted key.
    """
    bundle = Path(verify if isinstance(verify, str) else certifi.where())
    folder = bundle.is_dir()
    try:
        context = ssl.create_default_context(
            cafile=None if folder else str(bundle), capath=str(bundle) if folder else None
        )
        if verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if cert is not None:
            certificate, key = (cert, None) if isinstance(cert, str) else cert
            context.load_cert_chain(certificate, key, password=_refuse_password)
    except (OSError, ValueError) as why:
        reason = "it holds no certificate or key" if isinstance(why, ssl.SSLError) else why.args[-1]
        raise KlingRequestError(
            f"{where}: the extra verify or cert of the connection (or REQUESTS_CA_BUNDLE) names a file that cannot be "
            f"used: {reason}."
        ) from None
    return context


def check_tls(where: str, verify: bool | str | None, cert: str | tuple[str, str] | None) -> None:
    """Check whether the TLS files can be used; unchanged files are read once.

    :raises KlingRequestError: where one cannot be used.
    """
    named = [verify] if isinstance(verify, str) else []
    named += [cert] if isinstance(cert, str) else list(cert or ())
    if not named:
        return
    key = (*named, *(_find_change_time(path) for path in named))
    if key not in _good_files:
        load_tls(where, verify, cert)
        _good_files.append(key)


def _find_change_time(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return -1


def _refuse_password() -> str:
    """Refuse to ask for the password of a key: without this OpenSSL asks the terminal."""
    raise ValueError("its key must not be encrypted: no password for it can be given")


def _check_header(name: str, value: Any) -> str:
    if isinstance(value, Mapping | Sequence) and not isinstance(value, str):
        raise KlingRequestError(
            f"Connection extra {name!r} holds more than one value: extras that HttpHook does not know are sent "
            "as HTTP headers, one text each. Nothing was sent."
        )
    text = str(value).strip()
    if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
        raise KlingRequestError(
            f"Connection extra {name!r} cannot be sent as an HTTP header: a name must be letters, digits and hyphens, "
            "a value one line of Latin characters. Nothing was sent."
        )
    return text


def _read_timeouts(value: Any) -> tuple[float, float]:
    """Read one number of seconds for both time-outs, or ``[connect, read]`` as requests takes it."""
    if value is None:
        return _CONNECT_TIMEOUT, _READ_TIMEOUT
    pair = value if isinstance(value, list | tuple) else (value, value)
    try:
        connect, read = (float(part) for part in pair)
    except (TypeError, ValueError):
        connect = read = 0.0
    if not (0 < connect <= _LONGEST_TIMEOUT and 0 < read <= _LONGEST_TIMEOUT):
        raise KlingRequestError(
            f"Connection extra 'timeout' must be a number of seconds above 0 and at most {_LONGEST_TIMEOUT:.0f}, or "
            "[connect, read]. Nothing was sent."
        )
    return connect, read


def _read_proxies(value: Any) -> dict[str, str] | None:
    if not value:
        return None
    if isinstance(value, str) and value.strip().startswith("{"):
        # A connection given as a URI has text only.
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if isinstance(value, str):
        return {"http": value.strip(), "https": value.strip()}
    if isinstance(value, Mapping) and all(isinstance(item, str) for item in (*value, *value.values())):
        return dict(value)
    raise KlingRequestError(
        'Connection extra \'proxies\' must be a URL or a mapping such as {"https": "http://proxy:3128"}. '
        "Nothing was sent."
    )


def _read_cert(value: Any) -> str | tuple[str, str] | None:
    if not value:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(part, str) for part in value):
        return value[0], value[1]
    raise KlingRequestError(
        "Connection extra 'cert' must be a path, or [certificate, key]. Nothing was sent."
    )


def _read_flag(value: Any, default: bool) -> bool:
    if value is None:
        return default
    if isinstance(value, str):
        return value.strip().lower() not in ("false", "0", "no", "off", "")
    return bool(value)


def _read_flag_or_path(value: str) -> bool | str:
    """Read a flag or a path; extras of a connection given as a URI are text, so ``verify=false`` arrives as a word."""
    if value.strip().lower() in ("true", "1", "yes", "on", "false", "0", "no", "off", ""):
        return _read_flag(value, True)
    return value
