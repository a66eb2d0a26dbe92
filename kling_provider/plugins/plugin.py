# SPDX-License-Identifier: Apache-2.0
"""The gallery and Kling's callbacks as an Airflow plugin: a page, tabs on Dag, run and task instance, and two small web apps.

Every component of Airflow loads its plugins, so this module imports nothing but the plugin class; each web app is
made when the API server gets the first request for it. Only a scheduler imports more.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowPlugin

from kling_provider.compat import has_callbacks, has_gallery
from kling_provider.plugins.callbacks.gate import FloodGate
from kling_provider.plugins.preload import preload_modules

#: Airflow's UI finds the component under this name in the browser, for the page and for the tabs.
_NAME = "Kling results"


class LazyApp:
    """A web app (ASGI), made at the first request.

    :param module: has the function ``make_app``.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._app: Any = None
        self._importing: asyncio.Future[Any] | None = None

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        if self._app is None:
            # Not in the event loop, which would stand still for all that Airflow does in it; and in one thread for all who wait.
            if self._importing is None or self._importing.done():
                self._importing = asyncio.ensure_future(
                    asyncio.to_thread(importlib.import_module, self._module)
                )
            module = await asyncio.shield(self._importing)
            if self._app is None:  # others may have come meanwhile
                self._app = module.make_app()
        await self._app(scope, receive, send)


def _list_apps() -> list[dict[str, Any]]:
    apps = []
    if has_gallery():
        gallery = LazyApp("kling_provider.plugins.gallery.app")
        apps.append({"name": "kling", "url_prefix": "/kling", "app": gallery})
    if has_callbacks():
        callbacks = FloodGate(LazyApp("kling_provider.plugins.callbacks.app"))
        apps.append({"name": "kling callbacks", "url_prefix": "/kling-callbacks", "app": callbacks})
    return apps


def _react_app(destination: str, url_route: str, **more: str) -> dict[str, str]:
    return {
        "name": _NAME,
        "destination": destination,
        "url_route": url_route,
        "bundle_url": "kling/static/gallery.js",
        "icon": "kling/static/video.svg",
        "icon_dark_mode": "kling/static/video-dark.svg",
        **more,
    }


class KlingPlugin(AirflowPlugin):
    """Add *Browse → Kling results*, tabs on every Dag, run and task instance, and the route of callbacks.

    Before Airflow 3.3 it adds nothing to the UI.
    """

    name = "kling"
    fastapi_apps = _list_apps()
    react_apps = (
        [
            _react_app("nav", "kling-videos", category="browse"),
            _react_app("dag_run", "kling-run-videos"),
            _react_app("dag", "kling-dag-videos"),
            _react_app("task_instance", "kling-task-videos"),
        ]
        if has_gallery()
        else []
    )

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Let the scheduler import what its workers need; Airflow calls this in every component."""
        preload_modules()
