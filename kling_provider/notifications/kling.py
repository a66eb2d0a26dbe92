# SPDX-License-Identifier: Apache-2.0
"""A message about a video, for success, failure and retry callbacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from airflow.sdk.bases.notifier import BaseNotifier

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

#: What is said unless the user says otherwise; lines without anything in them are left out.
TEXT = """\
{{ kling.title }}: {{ kling.name }}
{{ kling.reason or kling.prompt }}
{% if kling.cost %}Cost: {{ kling.cost }}{% endif %}
{% if kling.file %}File: {{ kling.file }}{% endif %}
{% if kling.picture %}Picture: {{ kling.picture }}{% endif %}
{% if kling.gallery %}Gallery: {{ kling.gallery }}{% endif %}
{% if kling.log %}Log: {{ kling.log }}{% endif %}
"""


class KlingNotifier(BaseNotifier):
    """Posts a message about a task instance's video to a webhook, as JSON such as Slack takes: ``{"text": …}``.

    ::

        KlingGenerateOperator(..., on_success_callback=KlingNotifier(), on_failure_callback=KlingNotifier())

    A message that cannot be sent is a warning in the log and changes nothing.

    :param http_conn_id: an HTTP connection with the webhook's address. (templated)
    :param endpoint: the rest of the address, where it is not in the connection. (templated)
    :param text: the message; ``kling`` is a mapping of ``title name prompt model state reason cost kling_task_id
        file poster video picture gallery log`` (texts or ``None``; ``file`` and ``poster`` are in the storage,
        ``video`` and ``picture`` the same from the API server for who is signed in), beside Airflow's own context. In prompt, name and
        reason ``& < >`` are escaped, so that nobody is called by what a prompt says. (templated)
    :param payload: further keys of the JSON, such as ``{"channel": "#videos"}``. (templated)
    """

    template_fields: Sequence[str] = ("http_conn_id", "endpoint", "text", "payload")

    def __init__(
        self,
        *,
        http_conn_id: str = "kling_webhook",
        endpoint: str | None = None,
        text: str = TEXT,
        payload: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.http_conn_id = http_conn_id
        self.endpoint = endpoint
        self.text = text
        self.payload = payload

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        super().render_template_fields({**context, "kling": facts_of(context)}, jinja_env)  # type: ignore[typeddict-unknown-key]

    def notify(self, context: Context) -> None:
        """Send it. Airflow has rendered the fields before."""
        from airflow.providers.http.hooks.http import HttpHook

        text = "\n".join(line for line in self.text.splitlines() if line.strip())
        try:
            # Not by HttpHook.run: it logs the address of a connection that fails, which is often the secret.
            hook = HttpHook(method="POST", http_conn_id=self.http_conn_id)
            session = hook.get_conn()
            address = hook.url_from_endpoint(self.endpoint)
            session.post(address, json={**(self.payload or {}), "text": text}, timeout=10).raise_for_status()
        except Exception as error:  # noqa: BLE001 - neither it nor its text, which may hold the webhook's secret address
            self.log.warning("The message about this video could not be sent: %s", type(error).__name__)


def facts_of(context: Mapping[str, Any]) -> dict[str, str | None]:
    """What there is to say about a task instance, by its XComs and the exception that ended it."""
    from kling_provider.links.kling import gallery_address, poster_address, video_address

    ti, exception = context["ti"], context.get("exception")
    result = _mapping(_xcom(ti, "return_value")) if exception is None else {}
    job = _mapping(_xcom(ti, "kling"))
    request = _mapping(job.get("request"))
    outputs = result.get("outputs") or [{}]
    poster = _text(outputs[0].get("poster"))
    where = (ti.dag_id, ti.run_id, ti.task_id, ti.map_index if ti.map_index is not None else -1)
    failed = exception is not None
    name = result.get("name") or request.get("name") or ti.task_id
    return {
        "title": "Kling video failed" if failed else "Kling video done",
        "state": "failed" if failed else str(result.get("status") or job.get("state") or "done"),
        "name": _escaped(name),
        "prompt": _escaped(result.get("prompt") or request.get("prompt")),
        "model": _text(result.get("model") or request.get("model")),
        "reason": _escaped(str(exception)) if failed else None,
        "cost": _cost(result),
        "kling_task_id": _text(result.get("kling_task_id") or job.get("kling_task_id")),
        "file": _text(outputs[0].get("file")),
        "poster": poster,
        "video": _absolute(video_address(*where, 0)) if outputs[0].get("file") else None,
        "picture": _absolute(poster_address(*where, 0)) or poster if poster else None,
        "gallery": _absolute(gallery_address(*where)),
        "log": _text(getattr(ti, "log_url", None)),
    }


def _xcom(ti: Any, key: str) -> Any:
    index = ti.map_index if ti.map_index is not None else -1
    return ti.xcom_pull(task_ids=ti.task_id, key=key, map_indexes=index)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _escaped(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cost(result: Mapping[str, Any]) -> str | None:
    if not result:
        return None
    if result.get("adopted"):
        return "nothing now, paid earlier"
    parts = [
        f"{one['amount']} {one.get('currency') or one.get('charge_type') or 'unit'}"
        for one in result.get("billing") or ()
    ]
    return ", ".join(parts) or None


def _absolute(path: str) -> str | None:
    if not path:
        return None
    from airflow.providers.common.compat.sdk import conf

    return urljoin(conf.get("api", "base_url", fallback="") or "", path)
