# SPDX-License-Identifier: Apache-2.0
"""Which work a path names, for Kling itself and for a gateway."""

from __future__ import annotations

from urllib.parse import unquote

from kling_provider.sandbox.app import App
from kling_provider.sandbox.endpoints import base as work
from kling_provider.sandbox.endpoints import create as creates
from kling_provider.sandbox.endpoints import gateway
from kling_provider.sandbox.endpoints import gateway_plugin as plugin
from kling_provider.sandbox.endpoints.download import Download
from kling_provider.sandbox.http.errors import ApiError
from kling_provider.sandbox.http.messages import Request, Response, refusal
from kling_provider.sandbox.products.legacy import PRODUCTS
from kling_provider.sandbox.products.models import IMAGE, OMNI, TEXT


def answer(app: App, request: Request) -> Response:
    """Response one request to the API or to the host of the films."""
    found = _download(app, request) or _api(app, request)
    if found is not None:
        return app.handle(found)
    if app.options.gateway:
        return gateway.not_found(app.options, request)
    # 1202 and 1203 are the table's rows for it; what the live host says was not recorded
    return refusal(ApiError(1203 if request.method in ("GET", "POST") else 1202))


def _download(app: App, request: Request) -> work.Endpoint | None:
    if not request.path.startswith("/files/") or request.method not in ("GET", "HEAD"):
        return None
    return Download(app, request, "/files/{film}")


def _api(app: App, request: Request) -> work.Endpoint | None:
    prefix = app.options.path_prefix
    if not request.path.startswith(f"{prefix}/"):
        return None
    path = request.path[len(prefix) :]
    parts = [unquote(part) for part in path.split("/")[1:]]
    if parts[:2] == ["v1", "videos"]:
        return _legacy(app, request, path, parts[2:])
    if app.options.gateway:
        return _plugin(app, request, path, parts) if app.options.shape == "new-api-plugin" else None
    match request.method, parts:
        case "POST", [product, model] if product in (TEXT, IMAGE, OMNI):
            return creates.StandardCreate(app, request, path, product, model)
        case "GET", ["tasks"]:
            return work.TasksRead(app, request, path)
        case "POST", ["tasks"]:
            return work.TasksList(app, request, path)
        case "GET", ["account", "costs"]:
            return work.AccountCosts(app, request, path)
    return None


def _plugin(app: App, request: Request, path: str, parts: list[str]) -> work.Endpoint | None:
    match request.method, parts:
        case "POST", [product] if product in (TEXT, IMAGE):
            return plugin.PluginCreate(app, request, path, product)
        case "GET", ["tasks", value] if value:
            return plugin.PluginRead(app, request, "/tasks/{id}", value)
    return None


def _legacy(app: App, request: Request, path: str, parts: list[str]) -> work.Endpoint | None:
    """Create, read one, list; a gateway has no list."""
    product = PRODUCTS.get(parts[0]) if parts else None
    if product is None:
        return None
    match request.method, parts[1:]:
        case "POST", []:
            return creates.LegacyCreate(app, request, path, product)
        case "GET", [] if not app.options.gateway:
            return work.LegacyList(app, request, path, product)
        case "GET", [value] if value:
            return work.LegacyRead(app, request, f"/v1/videos/{parts[0]}/{{id}}", product, value)
    return None
