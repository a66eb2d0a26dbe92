# SPDX-License-Identifier: Apache-2.0
"""The gallery as an Airflow plugin: a page, tabs on Dag, run and task instance, and the small web app that feeds them.

Every component of Airflow loads its plugins, so this module imports nothing but the plugin class; the web app is
made when the API server gets the first request for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowPlugin

from kling_provider.compat import has_gallery

#: Airflow's UI finds the component under this name in the browser, for the page and for the tabs.
_NAME = "Kling results"


class LazyApp:
    """The gallery's web app (ASGI), made at the first request."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        if self._app is None:
            from kling_provider.plugins.gallery.app import make_app

            self._app = make_app()
        await self._app(scope, receive, send)


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
    """Add *Browse → Kling results*, and a tab on every Dag, run and task instance; before Airflow 3.3 add nothing."""

    name = "kling"
    fastapi_apps = [{"name": "kling", "url_prefix": "/kling", "app": LazyApp()}] if has_gallery() else []
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
