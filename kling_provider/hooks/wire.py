# SPDX-License-Identifier: Apache-2.0
"""How both hooks reach a host, without sending anything.

``KlingHook`` (requests) and ``KlingAsyncHook`` (aiohttp) share every decision that a server could notice:
which of the connection's extras are headers and which are options, proxy and certificates, the
``Authorization`` header. Which call reads what, and what its answer means, is in :mod:`.reads`.
"""

from __future__ import annotations

import json
import re
import ssl
import time
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from kling_provider.api.auth import AccessKey, Credential
from kling_provider.api.codes import Answer, Kind, read_answer
from kling_provider.api.redaction import redact_key, redact_key_in_body
from kling_provider.compat import forget_mask
from kling_provider.exceptions import KlingRequestError

#: Seconds until a connection stands, and between two pieces of an answer, where the connection says nothing.
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0

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

#: The largest answer that is read, in bytes, unpacked: 500 tasks with long links have some three million.
LARGEST_ANSWER = 8 * 1024**2

#: What :func:`answer_of_packed` unpacks.
ACCEPTED_ENCODINGS = "gzip, deflate"

#: Files of TLS that were good, with the time of their last change.
_good_files: deque[tuple[object, ...]] = deque(maxlen=16)

#: Tokens that are hidden in logs, oldest first: as many as live at the same time.
_masked: deque[str] = deque()
_MOST_MASKED = 16

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
    connect_timeout: float = CONNECT_TIMEOUT
    read_timeout: float = READ_TIMEOUT
    #: Whether proxies and CA bundle of the environment count. Never netrc.
    trust_env: bool = True

    @property
    def answer_time(self) -> float:
        """Seconds for an answer as a whole, however it drips."""
        return self.connect_timeout + 2 * self.read_timeout


@dataclass(frozen=True, slots=True)
class Route:
    """How one address is reached, the environment's settings included. ``proxy`` may carry a password."""

    proxy: str | None = field(repr=False)
    verify: bool | str
    cert: str | tuple[str, str] | None


def split_extras(http_extras: Mapping[str, Any]) -> HttpOptions:
    """Split HttpHook's extras into options and headers, as HttpHook does, with values made text.

    ``allow_redirects``, ``max_redirects``, ``check_response``, ``stream`` and ``srv_lookup`` are read by
    nobody: they would make a paid call repeat itself, or go to a host that the connection does not name.

    :raises KlingRequestError: naming the extra whose value cannot be used (never the value: it may be secret).
    """
    options = {name: http_extras.get(name) for name in HTTP_OPTIONS}
    connect, read = _timeouts(options["timeout"])
    verify = options["verify"] if options["verify"] is not None else options["verify_ssl"]
    proxies = options["proxies"] if options["proxies"] is not None else options["proxy"]
    return HttpOptions(
        headers={
            str(name): _header(str(name), value)
            for name, value in http_extras.items()
            if name not in HTTP_OPTIONS and value is not None
        },
        proxies=_proxies(proxies),
        verify=_flag(verify, True) if not isinstance(verify, str) else _flag_or_path(verify),
        cert=_cert(options["cert"]),
        connect_timeout=connect,
        read_timeout=read,
        trust_env=_flag(options["trust_env"], True),
    )


def route_to(url: str, options: HttpOptions) -> Route:
    """Proxy, CA bundle and client certificate for one address, by requests' own rules.

    ``HTTPS_PROXY``, ``NO_PROXY``, ``REQUESTS_CA_BUNDLE`` and their like count; the connection's own settings
    come first. Imports requests (200 ms): call it in a thread where a loop runs.
    """
    from requests import Session
    from requests.utils import select_proxy

    with Session() as session:
        session.trust_env = options.trust_env
        merged = session.merge_environment_settings(
            url, dict(options.proxies or {}), False, options.verify, options.cert
        )
    proxy = select_proxy(url, dict(merged["proxies"]))
    return Route(
        proxy=proxy if not proxy or "://" in proxy else f"http://{proxy}",
        verify=True if merged["verify"] is None else merged["verify"],
        cert=merged["cert"],
    )


def tls_context(where: str, verify: bool | str | None, cert: str | tuple[str, str] | None) -> ssl.SSLContext:
    """Read the files of TLS, by requests' rules: certifi's bundle unless a file or folder is named, no check where
    ``verify`` is false.

    :param where: for the error: ``"Connection 'kling_default'"``.
    :raises KlingRequestError: where a file is missing, holds no certificate, or holds an encrypted key.
    """
    import certifi

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
            context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as why:
        reason = "it holds no certificate or key" if isinstance(why, ssl.SSLError) else why.args[-1]
        raise KlingRequestError(
            f"{where}: the extra verify or cert of the connection (or REQUESTS_CA_BUNDLE) names a file that cannot be "
            f"used: {reason}."
        ) from None
    return context


def check_tls(where: str, verify: bool | str | None, cert: str | tuple[str, str] | None) -> None:
    """Find out whether the files of TLS can be used; the same ones are read once as long as they do not change.

    :raises KlingRequestError: where one cannot be used.
    """
    named = [verify] if isinstance(verify, str) else []
    named += [cert] if isinstance(cert, str) else list(cert or ())
    if not named:
        return
    key = (*named, *(_changed_at(path) for path in named))
    if key not in _good_files:
        tls_context(where, verify, cert)
        _good_files.append(key)


def _changed_at(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return -1


def _no_password() -> str:
    """Without this OpenSSL asks the terminal."""
    raise ValueError("its key is encrypted, and there is nobody to ask for the password")


def auth_header(credential: Credential, *, skew: float | None = None) -> str:
    """The value of ``Authorization``. A JWT that was made here is masked in logs.

    Signing imports PyJWT and masking talks to the supervisor: call it in a thread where a loop runs.

    :param skew: after a 1003 or 1004, what :func:`skew_from` read: sign again by the server's clock.
    """
    token = credential.token(skew=skew)
    if isinstance(credential, AccessKey):
        _mask(token)
    return f"Bearer {token}"


def answer_of(
    status: int, headers: Mapping[str, str], body: bytes, authorization: str, *, at_kling: bool = True
) -> Answer:
    """What an HTTP response means, for both hooks; a key that is repeated in it is blanked."""
    key = authorization.removeprefix("Bearer ")
    answer = read_answer(status, headers, redact_key_in_body(body, key))
    return replace(answer, message=redact_key(answer.message, key), at_kling=at_kling)


def answer_of_packed(
    status: int, headers: Mapping[str, str], body: bytes, authorization: str, *, at_kling: bool = True
) -> Answer:
    """The same for a body as it came over the wire, packed or not. Unpacks up to :data:`LARGEST_ANSWER`."""
    unpacked = _unpacked(body, (headers.get("Content-Encoding") or "").strip().lower())
    if unpacked is None:
        return Answer(Kind.UNREADABLE, status, message="the answer cannot be unpacked", at_kling=at_kling)
    if len(unpacked) > LARGEST_ANSWER:
        return answer_too_large(status, at_kling)
    return answer_of(status, headers, unpacked, authorization, at_kling=at_kling)


def _unpacked(body: bytes, encoding: str) -> bytes | None:
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        return None
    # Some servers leave out the head of deflate.
    for form in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        unpacking = zlib.decompressobj(form)
        try:
            return unpacking.decompress(body, LARGEST_ANSWER + 1)
        except zlib.error:
            continue
    return None


def answer_too_large(status: int, at_kling: bool) -> Answer:
    """What an answer means whose end was not waited for."""
    text = f"the answer is larger than {LARGEST_ANSWER // 1024**2} MB, which is none of an API"
    return Answer(Kind.UNREADABLE, status, message=text, at_kling=at_kling)


def skew_from(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server's clock is ahead of ours, by its ``Date`` header; ``None`` without one."""
    try:
        theirs = parsedate_to_datetime(headers["Date"])
    except (KeyError, TypeError, ValueError):
        return None
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    return theirs.timestamp() - time.time()


def _mask(token: str) -> None:
    """Hide a token in logs, once: each mask is a message to the supervisor. Old ones are dead and need no mask; hundreds
    of them would make each further secret cost a tenth of a second."""
    if token in _masked:
        return
    from airflow.sdk.log import mask_secret

    while len(_masked) >= _MOST_MASKED:
        forget_mask(_masked.popleft())
    _masked.append(token)
    mask_secret(token)


def _header(name: str, value: Any) -> str:
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


def _timeouts(value: Any) -> tuple[float, float]:
    """One number for both, or ``[connect, read]`` as requests takes it."""
    if value is None:
        return CONNECT_TIMEOUT, READ_TIMEOUT
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


def _proxies(value: Any) -> dict[str, str] | None:
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
        'Connection extra \'proxies\' must be an address or a mapping such as {"https": "http://proxy:3128"}. '
        "Nothing was sent."
    )


def _cert(value: Any) -> str | tuple[str, str] | None:
    if not value:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(part, str) for part in value):
        return value[0], value[1]
    raise KlingRequestError(
        "Connection extra 'cert' must be a path, or [certificate, key]. Nothing was sent."
    )


def _flag(value: Any, default: bool) -> bool:
    if value is None:
        return default
    if isinstance(value, str):
        return value.strip().lower() not in ("false", "0", "no", "off", "")
    return bool(value)


def _flag_or_path(value: str) -> bool | str:
    """Extras of a connection given as a URI are text, so ``verify=false`` arrives as a word."""
    if value.strip().lower() in ("true", "1", "yes", "on", "false", "0", "no", "off", ""):
        return _flag(value, True)
    return value
