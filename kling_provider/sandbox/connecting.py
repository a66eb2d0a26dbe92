# SPDX-License-Identifier: Apache-2.0
"""How an Airflow is connected to a sandbox: what to paste."""

from __future__ import annotations

import json
import shlex
from urllib.parse import quote, urlencode

from kling_provider.sandbox.options import Options

VARIABLE = "AIRFLOW_CONN_KLING_DEFAULT"


def build_connection_json(options: Options, address: str) -> str:
    """
    The connection as a JSON object, as Airflow takes it.

    :param address: with the prefix of a gateway.
    """
    return json.dumps(
        {"conn_type": "kling", "host": address, "password": options.first_key, "extra": _build_extra(options)}
    )


def build_connection_uri(options: Options, address: str) -> str:
    """The same as a URI. The address is quoted whole: scheme and path would be lost in their usual places."""
    extra = urlencode(_build_extra(options))
    return f"kling://:{quote(options.first_key, safe='')}@{quote(address, safe='')}/?{extra}"


def list_exports(options: Options, address: str) -> list[str]:
    """Both forms as lines for a shell; one of them is enough."""
    forms = (build_connection_json(options, address), build_connection_uri(options, address))
    return [f"export {VARIABLE}={shlex.quote(form)}" for form in forms]


def _build_extra(options: Options) -> dict[str, str]:
    """A host on this machine is a gateway to the provider, unless the connection says what it is."""
    if not options.is_gateway:
        return {"profile": "kling"}
    return {"profile": "dmxapi" if options.shape == "dmxapi" else "new-api"}
