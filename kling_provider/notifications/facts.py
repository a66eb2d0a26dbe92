# SPDX-License-Identifier: Apache-2.0
"""Facts about a task instance or a Dag run, for messages. Each is looked up only if the text uses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin

from airflow.providers.common.compat.sdk import conf

from kling_provider.api.billing import billing_text
from kling_provider.api.catalog import DEFAULT_TYPE, find_noun
from kling_provider.api.output_types import TYPES_WITHOUT_FILES, describe_outputs, find_family, name_output
from kling_provider.api.result_facts import ResultFacts
from kling_provider.links.kling import build_file_url, build_gallery_url, build_poster_url

#: Facts of a result that stand in it as texts or numbers; what it cost is said in words, as ``cost``.
_PLAIN = tuple(name for name in ResultFacts.model_fields if name != "billing")
#: What a text may name: ``kling.title`` and so on.
NAMES = tuple(
    dict.fromkeys(
        (
            *("title", "name", "prompt", "model", "state", "reason", "made", "cost", "kling_task_id"),
            *("file", "files", "poster", "manifest", "video", "image", "gallery", "log", *_PLAIN),
        )
    )
)
#: What had another name before, and its name now.
_RENAMED = {"picture": "image"}
_TITLES = {
    "done": "Kling {} done",
    "failed": "Kling {} failed",
    "retry": "Kling {} failed, will be retried",
    "skipped": "Kling {} skipped",
    "started": "Kling {} started",
    "planned": "Kling {} planned, nothing paid",
    "open": "Kling {} not finished",
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
    """Facts by name, each a text or ``None``, looked up when it is read.

    :param context: the context of a callback. That of a Dag's callback has a ``reason`` and no ``exception``; it may have
        the task instance that ended last, which need not have made anything with Kling.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        self._context = context
        self._ti: Any = context.get("ti")
        self._exception = context.get("exception")

    def __getitem__(self, name: str) -> str | None:
        if name in _RENAMED:
            from kling_provider.exceptions import KlingRequestError

            # Jinja takes a KeyError for an empty value: the line would be missing, and no word said why.
            raise KlingRequestError(
                f"text: kling.{name} must be kling.{_RENAMED[name]}, which is its name now."
            )
        if name not in NAMES:
            raise KeyError(name)
        find = getattr(self, f"_get_{name}", None)
        value: str | None = find() if find is not None else _escape_text(self._task_result.get(name))
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)

    @property
    def is_about_run(self) -> bool:
        """Return whether the callback is that of a Dag, and so about its run."""
        return self._ti is None or "reason" in self._context

    @cached_property
    def outcome(self) -> str:
        """Return how it ended: ``done``, ``failed``, ``retry``, ``skipped``, ``started``, ``planned`` or ``open``.

        ``done`` needs evidence: without a state and a result it is ``open``.
        """
        if self.is_about_run:
            return "done" if self._context.get("reason") == "success" else "failed"
        state = str(getattr(self._ti, "state", None) or "").rpartition(".")[2].lower()
        outcome = _OUTCOMES.get(state)
        if self._exception is not None:
            return outcome if outcome in ("retry", "skipped") else "failed"
        if outcome in (None, "done"):
            if self._task_result.get("plan_only"):
                return "planned"
            return "done" if outcome or self._task_result else "open"
        return outcome

    def _get_title(self) -> str:
        if self.is_about_run:
            return _TITLES_OF_RUNS[self.outcome]
        return _TITLES[self.outcome].format(self._noun)

    @property
    def _noun(self) -> str:
        """Return what the result is called; ``request`` where nothing is known of it."""
        if not self._task_result and not self._job_request:
            return "request"
        return find_noun(str(self._task_result.get("type") or self._job_request.get("type") or DEFAULT_TYPE))

    def _get_made(self) -> str | None:
        """Return what the result consists of, with the ids of what is no file: ``2 images and 1 sound``, ``voice 8291``."""
        if self.is_about_run or not self._outputs:
            return None
        types = [str(one.get("type") or "video") for one in self._outputs]
        kept = [
            f"{name_output(type_)} {one['id']}"
            for type_, one in zip(types, self._outputs, strict=True)
            if type_ in TYPES_WITHOUT_FILES and one.get("id")
        ]
        if len(kept) == len(types):
            return _escape_text(", ".join(kept))
        ids = f" ({', '.join(kept)})" if kept else ""
        return _escape_text(describe_outputs(types) + ids)

    def _get_state(self) -> str | None:
        if self.outcome != "done" or self.is_about_run:
            return "failed" if self.outcome == "retry" else self.outcome
        return str(self._task_result.get("status") or "done")

    def _get_name(self) -> str | None:
        if self.is_about_run:
            return _escape_text(self._dag_id)
        return _escape_text(
            self._task_result.get("name") or self._job_request.get("name") or self._ti.task_id
        )

    def _get_prompt(self) -> str | None:
        return (
            None
            if self.is_about_run
            else _escape_text(self._task_result.get("prompt") or self._job_request.get("prompt"))
        )

    def _get_model(self) -> str | None:
        return (
            None
            if self.is_about_run
            else _as_text(self._task_result.get("model") or self._job_request.get("model"))
        )

    def _get_reason(self) -> str | None:
        if self.is_about_run:
            return self._get_run_reason()
        if self._exception is not None:
            return _escape_text(self._exception)
        if self.outcome in ("failed", "retry", "open"):
            # A task that was killed has no exception; what it left says how far it was.
            return _escape_text(
                self._job_record.get("reason") or self._describe_running_task() or "Airflow does not say why"
            )
        return None

    def _get_run_reason(self) -> str | None:
        if self.outcome == "done":
            return None
        said = str(self._context.get("reason") or "Airflow does not say why")
        words = [_REASONS.get(said, said), self._job_record.get("reason"), self._describe_running_task()]
        return _escape_text(". ".join(str(part) for part in words if part))

    def _describe_running_task(self) -> str | None:
        kling_task_id = self._job_record.get("kling_task_id")
        if not kling_task_id or self._job_record.get("state") not in ("submitted", "processing"):
            return None
        return f"Kling task {kling_task_id} goes on and is billed when it succeeds"

    def _get_cost(self) -> str | None:
        if self.is_about_run or not self._task_result or self.outcome == "planned":
            return None
        return (
            "nothing now, paid earlier"
            if self._task_result.get("adopted")
            else billing_text(self._task_result.get("billing"))
        )

    def _get_kling_task_id(self) -> str | None:
        if self.is_about_run:
            return None
        return _as_text(self._task_result.get("kling_task_id") or self._job_record.get("kling_task_id"))

    def _get_file(self) -> str | None:
        return None if (found := self._find_output("file")) is None else _as_text(found[1]["file"])

    def _get_files(self) -> str | None:
        """Return the first file, and how many others there are."""
        more = sum(bool(one.get("file")) for one in self._outputs) - 1
        return self._get_file() if more < 1 else f"{self._get_file()} and {more} more"

    def _get_poster(self) -> str | None:
        return None if (found := self._find_output("poster")) is None else _as_text(found[1]["poster"])

    def _get_video(self) -> str | None:
        if (found := self._find_output("file")) is None:
            return None
        return _make_absolute(build_file_url(*self._instance_key, found[0]))

    def _get_image(self) -> str | None:
        """Return where an image of the result can be seen: a poster, or a saved image that is small enough to need none."""
        if (found := self._find_output("poster")) is not None:
            return _make_absolute(build_poster_url(*self._instance_key, found[0])) or _as_text(
                found[1]["poster"]
            )
        for number, one in enumerate(self._outputs):
            if one.get("file") and find_family(str(one.get("type"))) == "image":
                return _make_absolute(build_file_url(*self._instance_key, number)) or _as_text(one["file"])
        return None

    def _get_gallery(self) -> str | None:
        if not self.is_about_run:
            return _make_absolute(build_gallery_url(*self._instance_key))
        path, _, query = build_gallery_url(
            self._dag_id or "", str(self._context.get("run_id")), "", -1
        ).partition("?")
        run = [pair for pair in parse_qsl(query) if pair[0] in ("dag_id", "run_id")]
        return _make_absolute(f"{path}?{urlencode(run)}") if path else None

    def _get_log(self) -> str | None:
        url = _as_text(getattr(self._ti, "log_url", None)) or ""
        return url if url.startswith(("http://", "https://")) else None

    @property
    def _dag_id(self) -> str | None:
        return getattr(self._context.get("dag"), "dag_id", None) or getattr(self._ti, "dag_id", None)

    @property
    def _instance_key(self) -> tuple[str, str, str, int]:
        ti = self._ti
        return ti.dag_id, ti.run_id, ti.task_id, ti.map_index if ti.map_index is not None else -1

    @cached_property
    def _task_result(self) -> Mapping[str, Any]:
        return (
            {}
            if self._exception is not None or self.is_about_run
            else _as_mapping(self._pull_xcom("return_value"))
        )

    @cached_property
    def _job_record(self) -> Mapping[str, Any]:
        return _as_mapping(self._pull_xcom("kling")) if self._ti is not None else {}

    @property
    def _job_request(self) -> Mapping[str, Any]:
        return _as_mapping(self._job_record.get("request"))

    @property
    def _outputs(self) -> list[Mapping[str, Any]]:
        outputs = self._task_result.get("outputs")
        return [_as_mapping(one) for one in outputs] if isinstance(outputs, list) else []

    def _find_output(self, name: str) -> tuple[int, Mapping[str, Any]] | None:
        """Find the first output that has something under ``name``, with its number from 0."""
        return next(((number, one) for number, one in enumerate(self._outputs) if one.get(name)), None)

    def _pull_xcom(self, key: str) -> Any:
        _, _, task_id, map_index = self._instance_key
        try:
            return self._ti.xcom_pull(task_ids=task_id, key=key, map_indexes=map_index)
        except Exception:  # noqa: BLE001 - a message with less in it is better than none
            return None


def _as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _escape_text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _make_absolute(path: str) -> str | None:
    """Return the absolute URL of a path; ``None`` without ``[api] base_url``, because a path alone leads nowhere."""
    base = (conf.get("api", "base_url", fallback="") or "").strip()
    return urljoin(base, path) if path and base.startswith(("http://", "https://")) else None
