# SPDX-License-Identifier: Apache-2.0
"""Keeps other people's web pages away from a sandbox on somebody's own machine.

A page in a browser may send forms and requests to ``http://127.0.0.1:8765`` (cross-site), or give its own name the
address 127.0.0.1 and so become a page of the sandbox itself (DNS rebinding). The first tells itself by its headers, the
second by the name that it was called by. Programs that call the API send none of these headers.
"""

from __future__ import annotations

from ipaddress import ip_address

from kling_provider.sandbox.http.messages import Request, Response
from kling_provider.sandbox.options import Options

_CHANGING = ("POST", "PUT", "PATCH", "DELETE")


def refuse_stranger(options: Options, request: Request) -> Response | None:
    """Return the refusal of a request that another site's page makes; ``None`` for all others."""
    host = request.get_header("Host") or ""
    if host and not _is_known(options, _get_host_name(host)):
        return _build_refusal(
            f"This sandbox is not called {_get_host_name(host)}. If it is, start it with --allow-hosts {_get_host_name(host)}."
        )
    if request.method not in _CHANGING:
        return None
    origin, site = request.get_header("Origin"), request.get_header("Sec-Fetch-Site")
    if site in ("cross-site", "same-site") or (origin is not None and origin.rpartition("//")[2] != host):
        return _build_refusal("A page of another site must not change anything here.")
    return None


def _is_known(options: Options, name: str) -> bool:
    """Tell whether it may be called so: an IP, a name without a dot or of this machine, or one that was allowed."""
    if name in (options.host.lower(), *options.allowed_hosts) or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return "." not in name
    return True


def _get_host_name(host: str) -> str:
    """Return the name in a Host header, in small letters and without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _build_refusal(why: str) -> Response:
    return Response(status=403, body=f"{why}\n".encode(), content_type="text/plain; charset=utf-8")
