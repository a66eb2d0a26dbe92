# SPDX-License-Identifier: Apache-2.0
"""Links on the task instance. Airflow asks for them on the worker at the end of every phase, so they cost nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from airflow.providers.common.compat.sdk import conf
from airflow.sdk import BaseOperatorLink

from kling_provider.compat import has_gallery

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class KlingVideoLink(BaseOperatorLink):
    """The finished video: its card in the gallery, which plays; before Airflow 3.3 Kling's own link until it dies."""

    name = "Video"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        # What the operator has just made: to ask for an XCom that is not there yet puts an error into the log.
        outputs = getattr(operator, "kling_outputs", ())
        links = [url for output in outputs if _is_web(url := output.get("url"))]
        if not links and not any(output.get("file") for output in outputs):
            return ""
        card = gallery_address(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index)
        return f"{card}&play=1" if card else next(iter(links), "")


class KlingGalleryLink(BaseOperatorLink):
    """The gallery, filtered to this task instance; there is none before Airflow 3.3."""

    name = "Kling videos"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        return gallery_address(ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index)


class KlingConsoleLink(BaseOperatorLink):
    """Kling's console, where keys, packs and bills are."""

    name = "Kling console"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        return "https://kling.ai/dev"


def _is_web(url: Any) -> bool:
    return isinstance(url, str) and url.startswith(("http://", "https://"))


def gallery_address(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """The gallery's page for one task instance, below the root of Airflow's UI; empty where there is no gallery."""
    if not has_gallery():
        return ""
    where = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
    return f"{_root()}/plugin/kling-videos?{urlencode(where)}"


def video_address(dag_id: str, run_id: str, task_id: str, map_index: int, number: int) -> str:
    """The file of an output, from the gallery's route; empty where there is no gallery."""
    return _route("videos", dag_id, run_id, task_id, str(map_index), str(number))


def poster_address(dag_id: str, run_id: str, task_id: str, map_index: int, number: int) -> str:
    """The same for its poster."""
    return _route("posters", dag_id, run_id, task_id, str(map_index), str(number))


def _route(what: str, *where: str) -> str:
    if not has_gallery():
        return ""
    return f"{_root()}/kling/{what}/" + "/".join(quote(part, safe="") for part in where)


def _root() -> str:
    """The path under which the UI lives; empty where it is the host's root."""
    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
