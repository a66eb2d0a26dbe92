# SPDX-License-Identifier: Apache-2.0
"""How an Airflow is connected to a sandbox: what to paste."""

from __future__ import annotations

import json
import shlex
from urllib.parse import quote, urlencode

from kling_provider.sandbox.options import Options

_VARIABLE = "AIRFLOW_CONN_KLING_DEFAULT"


def _build_connection_json(options: Options, base_url: str) -> str:
    """Build the connection as a JSON object, as Airflow takes it.

    :param base_url: with the prefix of a gateway.
    """
    return json.dumps(
        {
            "conn_type": "kling",
            "host": base_url,
            "password": options.first_key,
            "extra": _build_extra(options),
        }
    )


def _build_connection_uri(options: Options, base_url: str) -> str:
    """Build the connection as a URI, with the URL quoted whole: its scheme and path would be lost elsewhere."""
    extra = urlencode(_build_extra(options))
    return f"kling://:{quote(options.first_key, safe='')}@{quote(base_url, safe='')}/?{extra}"


def list_exports(options: Options, base_url: str) -> list[str]:
    """List both forms of the connection as lines for a shell; one of them is enough."""
    forms = (_build_connection_json(options, base_url), _build_connection_uri(options, base_url))
    return [f"export {_VARIABLE}={shlex.quote(form)}" for form in forms]


def _build_extra(options: Options) -> dict[str, str]:
    """Build the extra that says what the host is: the provider takes one on this machine for a gateway."""
    if not options.is_gateway:
        return {"profile": "kling"}
    families = ("dmxapi", "new-api")
    return {"profile": next((name for name in families if options.shape.startswith(name)), "gateway")}
