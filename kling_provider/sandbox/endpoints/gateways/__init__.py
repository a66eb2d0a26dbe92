# SPDX-License-Identifier: Apache-2.0
"""The gateways that a sandbox can stand in for, a module for each family; built from their own pages and recordings."""

from __future__ import annotations

from kling_provider.sandbox.endpoints.gateways.base import Gateway
from kling_provider.sandbox.endpoints.gateways.dmxapi import Dmxapi, Dmxapi2025, DmxapiResponses
from kling_provider.sandbox.endpoints.gateways.native import CometApi, Kapon, XmSmartLink
from kling_provider.sandbox.endpoints.gateways.new_api import CrazyRouter, NewApi, NewApiVideo
from kling_provider.sandbox.endpoints.gateways.new_api_plugin import NewApiPlugin
from kling_provider.sandbox.endpoints.gateways.qianfan import Qianfan
from kling_provider.sandbox.endpoints.gateways.standard import Aimanyi, Cloudsway, TokenHub
from kling_provider.sandbox.options import Options

__all__ = ["GATEWAYS", "Gateway", "open_gateway"]

GATEWAYS: dict[str, type[Gateway]] = {
    "native": Gateway,
    "dmxapi": Dmxapi,
    "dmxapi-2025": Dmxapi2025,
    "dmxapi-responses": DmxapiResponses,
    "new-api": NewApi,
    "new-api-video": NewApiVideo,
    "new-api-plugin": NewApiPlugin,
    "cometapi": CometApi,
    "kapon": Kapon,
    "xmsmartlink": XmSmartLink,
    "crazyrouter": CrazyRouter,
    "aimanyi": Aimanyi,
    "cloudsway": Cloudsway,
    "tokenhub": TokenHub,
    "qianfan": Qianfan,
}
"""By the value of ``--shape``."""


def open_gateway(options: Options) -> Gateway | None:
    """Return the gateway that the options ask for; None: the sandbox is Kling itself."""
    return GATEWAYS[options.shape](options) if options.is_gateway else None
