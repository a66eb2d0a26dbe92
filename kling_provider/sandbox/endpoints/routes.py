# SPDX-License-Identifier: Apache-2.0
"""Which endpoint a path names, for Kling itself and for a gateway."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from kling_provider.sandbox.endpoints.account import AccountCosts
from kling_provider.sandbox.endpoints.base import Build, Endpoint, Route
from kling_provider.sandbox.endpoints.create import LegacyCreate, StandardCreate
from kling_provider.sandbox.endpoints.download import MediaDownload
from kling_provider.sandbox.endpoints.ledgers import BalanceLedger, PackageLedger
from kling_provider.sandbox.endpoints.legacy import LegacyList, LegacyRead
from kling_provider.sandbox.endpoints.library import LibraryDeletion, LibraryList, PresetList
from kling_provider.sandbox.endpoints.solutions import SolutionsList, SolutionsRead
from kling_provider.sandbox.endpoints.tasks import TasksList, TasksRead
from kling_provider.sandbox.http.errors import ApiError
from kling_provider.sandbox.http.messages import Request, Response, build_error_response
from kling_provider.sandbox.products.entries import LibraryProduct

if TYPE_CHECKING:
    from kling_provider.sandbox.app import App


class Router:
    """The paths of one sandbox, which follow from its options and its products."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._table: dict[tuple[str, int], list[tuple[list[str], int, Build]]] = {}
        prefix, gateway, products = app.options.path_prefix, app.gateway, app.products.values()
        self._add_routes(prefix, _list_routes(app) if gateway is None else gateway.list_routes(products))
        if gateway is not None:
            self._add_routes("", gateway.list_root_routes(products))

    def _add_routes(self, prefix: str, routes: Iterator[Route]) -> None:
        hidden = prefix.count("/")
        for method, path, build in routes:
            parts = f"{prefix}{path}".split("/")[1:]
            self._table.setdefault((method, len(parts)), []).append((parts, hidden, build))

    def answer_request(self, request: Request) -> Response:
        """Answer one request to the API or to the host of the media."""
        endpoint = self._find_download(request) or self._find_endpoint(request)
        if endpoint is not None:
            return self._app.handle_endpoint(endpoint)
        if self._app.gateway is not None:
            return self._app.gateway.build_not_found(request)
        # 1202 and 1203 are the table's rows for it; what the live host says was not recorded
        return build_error_response(ApiError(1203 if request.method in ("GET", "POST") else 1202))

    def _find_download(self, request: Request) -> Endpoint | None:
        if not request.path.startswith("/files/") or request.method not in ("GET", "HEAD"):
            return None
        task, _, file = request.path.removeprefix("/files/").partition("/")
        return MediaDownload(self._app, request, "/files/{file}", task=task, file=file)

    def _find_endpoint(self, request: Request) -> Endpoint | None:
        parts = [unquote(part) for part in request.path.split("/")[1:]]
        for pattern, hidden, build in self._table.get((request.method, len(parts)), []):
            values = _match_path(pattern, parts)
            if values is not None:
                # ids are left out, so that requests are counted by route; a model is a part of it
                shown = [
                    mine if mine == "{id}" else given for mine, given in zip(pattern, parts, strict=True)
                ]
                return build(self._app, request, "/" + "/".join(shown[hidden:]), **values)
        return None


def _match_path(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    """Return the parameters of a path; None where it is another path."""
    values: dict[str, str] = {}
    for mine, given in zip(pattern, parts, strict=True):
        if mine.startswith("{"):
            if mine == "{id}" and not given:
                return None
            values[mine.strip("{}")] = given
        elif mine != given:
            return None
    return values


def _list_routes(app: App) -> Iterator[Route]:
    """List the routes of Kling itself."""
    yield "GET", "/tasks", TasksRead
    yield "POST", "/tasks", TasksList
    yield "GET", "/solutions", SolutionsRead
    yield "POST", "/solutions", SolutionsList
    yield "GET", "/account/costs", AccountCosts
    yield "POST", "/account/billing/package", PackageLedger
    yield "POST", "/account/billing/balance", BalanceLedger
    for product in app.products.values():
        if (path := product.standard_path) is not None:
            yield "POST", path, partial(StandardCreate, product=product)
        if (path := product.legacy_path) is not None:
            yield "POST", path, partial(LegacyCreate, product=product)
            if not product.answered_at_once:
                yield "GET", path, partial(LegacyList, product=product)
                yield "GET", path + "/{id}", partial(LegacyRead, product=product)
            elif isinstance(product, LibraryProduct):
                yield "GET", path, partial(LibraryList, product=product)
        if isinstance(product, LibraryProduct):
            yield "GET", product.presets_path, partial(PresetList, product=product)
            for path in product.delete_paths:
                yield "POST", path, partial(LibraryDeletion, product=product)
