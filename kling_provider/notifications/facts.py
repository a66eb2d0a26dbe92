# SPDX-License-Identifier: Apache-2.0
"""What there is to say about a task instance or a Dag run. Nothing is asked that the text does not use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin

from airflow.providers.common.compat.sdk import conf

from kling_provider.api.billing import billing_text
from kling_provider.api.result_facts import ResultFacts
from kling_provider.links.kling import gallery_address, poster_address, video_address

#: Facts of a result that stand in it as texts or numbers; what it cost is said in words, as ``cost``.
_PLAIN = tuple(name for name in ResultFacts.model_fields if name != "billing")
#: What a text may name: ``kling.title`` and so on.
NAMES = tuple(
    dict.fromkeys(
        (
            *("title", "name", "prompt", "model", "state", "reason", "cost", "kling_task_id"),
            *("file", "poster", "manifest", "video", "picture", "gallery", "log", *_PLAIN),
        )
    )
)
_TITLES = {
    "done": "Kling video done",
    "failed": "Kling video failed",
    "retry": "Kling video failed, will be retried",
    "skipped": "Kling video skipped",
    "started": "Kling video started",
    "planned": "Kling video planned, nothing paid",
    "open": "Kling video not finished",
}
_TITLES_OF_RUNS = {"done": "Dag run done", "failed": "Dag run failed"}
#: Airflow's words for why a Dag run ended as it did.
_REASONS = {
    "task_failure": "a task failed",
    "timed_out": "the run timed out",
    "all_tasks_deadlocked": "its tasks wait for each other",
}
_OUTCOMES = {
    "success": "done",
    "failed": "failed",
    "upstream_failed": "failed",
    "up_for_retry": "retry",
    "skipped": "skipped",
    "running": "started",
}


class Facts(Mapping[str, "str | None"]):
    """Texts or ``None``, each found out when it is asked for.

    :param context: of a callback. One of a Dag has a ``reason`` and no ``exception``; it may have the task instance that
        ended last, which need not be a video's.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        self._context = context
        self._ti: Any = context.get("ti")
        self._exception = context.get("exception")

    def __getitem__(self, name: str) -> str | None:
        if name not in NAMES:
            raise KeyError(name)
        find = getattr(self, f"_{name}", None)
        value: str | None = find() if find is not None else _escaped(self._result.get(name))
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)

    @property
    def is_of_a_run(self) -> bool:
        """Whether a Dag's callback asks."""
        return self._ti is None or "reason" in self._context

    @cached_property
    def outcome(self) -> str:
        """How it ended. What nobody says is never called done: silence would be read as success."""
        if self.is_of_a_run:
            return "done" if self._context.get("reason") == "success" else "failed"
        state = str(getattr(self._ti, "state", None) or "").rpartition(".")[2].lower()
        outcome = _OUTCOMES.get(state)
        if self._exception is not None:
            return outcome if outcome in ("retry", "skipped") else "failed"
        if outcome in (None, "done"):
            if self._result.get("plan_only"):
                return "planned"
            return "done" if outcome or self._result else "open"
        return outcome

    def _title(self) -> str:
        return (_TITLES_OF_RUNS if self.is_of_a_run else _TITLES)[self.outcome]

    def _state(self) -> str | None:
        if self.outcome != "done" or self.is_of_a_run:
            return "failed" if self.outcome == "retry" else self.outcome
        return str(self._result.get("status") or "done")

    def _name(self) -> str | None:
        if self.is_of_a_run:
            return _escaped(self._dag_id)
        return _escaped(self._result.get("name") or self._request.get("name") or self._ti.task_id)

    def _prompt(self) -> str | None:
        return (
            None if self.is_of_a_run else _escaped(self._result.get("prompt") or self._request.get("prompt"))
        )

    def _model(self) -> str | None:
        return None if self.is_of_a_run else _text(self._result.get("model") or self._request.get("model"))

    def _reason(self) -> str | None:
        if self.is_of_a_run:
            return self._reason_of_a_run()
        if self._exception is not None:
            return _escaped(self._exception)
        if self.outcome in ("failed", "retry", "open"):
            # A task that was killed has no exception; what it left says how far it was.
            return _escaped(self._job.get("reason") or self._goes_on() or "Airflow does not say why")
        return None

    def _reason_of_a_run(self) -> str | None:
        if self.outcome == "done":
            return None
        said = str(self._context.get("reason") or "Airflow does not say why")
        words = [_REASONS.get(said, said), self._job.get("reason"), self._goes_on()]
        return _escaped(". ".join(str(part) for part in words if part))

    def _goes_on(self) -> str | None:
        kling_task_id = self._job.get("kling_task_id")
        if not kling_task_id or self._job.get("state") not in ("submitted", "processing"):
            return None
        return f"Kling task {kling_task_id} goes on and is billed when it succeeds"

    def _cost(self) -> str | None:
        if self.is_of_a_run or not self._result or self.outcome == "planned":
            return None
        return (
            "nothing now, paid earlier"
            if self._result.get("adopted")
            else billing_text(self._result.get("billing"))
        )

    def _kling_task_id(self) -> str | None:
        if self.is_of_a_run:
            return None
        return _text(self._result.get("kling_task_id") or self._job.get("kling_task_id"))

    def _file(self) -> str | None:
        return _text(self._output.get("file"))

    def _poster(self) -> str | None:
        return _text(self._output.get("poster"))

    def _video(self) -> str | None:
        return _absolute(video_address(*self._where, 0)) if self._output.get("file") else None

    def _picture(self) -> str | None:
        if not (poster := self._poster()):
            return None
        return _absolute(poster_address(*self._where, 0)) or poster

    def _gallery(self) -> str | None:
        if not self.is_of_a_run:
            return _absolute(gallery_address(*self._where))
        path, _, query = gallery_address(
            self._dag_id or "", str(self._context.get("run_id")), "", -1
        ).partition("?")
        run = [pair for pair in parse_qsl(query) if pair[0] in ("dag_id", "run_id")]
        return _absolute(f"{path}?{urlencode(run)}") if path else None

    def _log(self) -> str | None:
        url = _text(getattr(self._ti, "log_url", None)) or ""
        return url if url.startswith(("http://", "https://")) else None

    @property
    def _dag_id(self) -> str | None:
        return getattr(self._context.get("dag"), "dag_id", None) or getattr(self._ti, "dag_id", None)

    @property
    def _where(self) -> tuple[str, str, str, int]:
        ti = self._ti
        return ti.dag_id, ti.run_id, ti.task_id, ti.map_index if ti.map_index is not None else -1

    @cached_property
    def _result(self) -> Mapping[str, Any]:
        return {} if self._exception is not None or self.is_of_a_run else _mapping(self._xcom("return_value"))

    @cached_property
    def _job(self) -> Mapping[str, Any]:
        return _mapping(self._xcom("kling")) if self._ti is not None else {}

    @property
    def _request(self) -> Mapping[str, Any]:
        return _mapping(self._job.get("request"))

    @property
    def _output(self) -> Mapping[str, Any]:
        outputs = self._result.get("outputs")
        return _mapping(outputs[0]) if isinstance(outputs, list) and outputs else {}

    def _xcom(self, key: str) -> Any:
        _, _, task_id, map_index = self._where
        try:
            return self._ti.xcom_pull(task_ids=task_id, key=key, map_indexes=map_index)
        except Exception:  # noqa: BLE001 - a message with less in it is better than none
            return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _escaped(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _absolute(path: str) -> str | None:
    """The whole URL; without ``[api] base_url`` nobody knows it, and a path alone leads nowhere."""
    base = (conf.get("api", "base_url", fallback="") or "").strip()
    return urljoin(base, path) if path and base.startswith(("http://", "https://")) else None
