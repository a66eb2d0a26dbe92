# SPDX-License-Identifier: Apache-2.0
"""Links on the task instance. Airflow asks for them on the worker at the end of every phase, so they must be cheap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from airflow.providers.common.compat.sdk import conf
from airflow.sdk import BaseOperatorLink

from kling_provider.compat import has_gallery

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class KlingResultLink(BaseOperatorLink):
    """Link to the finished result: its card in the gallery, where a video plays; before Airflow 3.3 Kling's own link.

    Before 3.3 it is the link of the first output that has one, until that expires; there is none to what is no file.
    """

    name = "Result"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        # Not the XCom, which is not there yet: to ask for it would log an error.
        outputs = getattr(operator, "kling_outputs", ())
        links = [url for output in outputs if _is_web(url := output.get("url"))]
        # A voice or an element may be an id alone: its card says which.
        if not links and not any(output.get("file") or output.get("id") for output in outputs):
            return ""
        card = build_gallery_url(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index)
        return f"{card}&play=1" if card else next(iter(links), "")


class KlingGalleryLink(BaseOperatorLink):
    """Link to the gallery, filtered to this task instance; there is none before Airflow 3.3."""

    name = "Kling results"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        return build_gallery_url(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index)


class KlingConsoleLink(BaseOperatorLink):
    """Link to Kling's console, with keys, packs and bills."""

    name = "Kling console"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        return "https://kling.ai/dev"


def _is_web(url: Any) -> bool:
    return isinstance(url, str) and url.startswith(("http://", "https://"))


def build_gallery_url(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """Build the URL of the gallery's page for one task instance, relative to the host; empty without a gallery."""
    if not has_gallery():
        return ""
    where = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
    return f"{_get_root_path()}/plugin/kling-videos?{urlencode(where)}"


def build_file_url(dag_id: str, run_id: str, task_id: str, map_index: int, number: int) -> str:
    """Build the URL of the file of output ``number`` (from 0), relative to the host; empty without a gallery."""
    return _build_route("videos", dag_id, run_id, task_id, str(map_index), str(number))


def build_poster_url(dag_id: str, run_id: str, task_id: str, map_index: int, number: int) -> str:
    """Build the URL of the poster of output ``number`` (from 0), relative to the host; empty without a gallery."""
    return _build_route("posters", dag_id, run_id, task_id, str(map_index), str(number))


def _build_route(what: str, *where: str) -> str:
    if not has_gallery():
        return ""
    return f"{_get_root_path()}/kling/{what}/" + "/".join(quote(part, safe="") for part in where)


def _get_root_path() -> str:
    """Return the path of the UI on its host; empty if it is the root."""
    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
