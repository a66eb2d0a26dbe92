# SPDX-License-Identifier: Apache-2.0
"""A message about a result or a run, for the callbacks of tasks and Dags."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.notifier import BaseNotifier

from kling_provider.notifications.facts import Facts

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

__all__ = ["KlingNotifier"]

#: The default text; empty lines are left out of the message.
_TEXT = """\
{{ kling.title }}: {{ kling.name }}
{{ kling.reason or kling.prompt }}
{% if kling.made and kling.made != "video" %}Made: {{ kling.made }}{% endif %}
{% if kling.cost %}Cost: {{ kling.cost }}{% endif %}
{% if kling.files %}File: {{ kling.files }}{% endif %}
{% if kling.image %}Image: {{ kling.image }}{% endif %}
{% if kling.gallery %}Gallery: {{ kling.gallery }}{% endif %}
{% if kling.log %}Log: {{ kling.log }}{% endif %}
"""


class KlingNotifier(BaseNotifier):
    """Post a message about a result or a Dag run to a webhook, as JSON such as Slack accepts: ``{"text": …}``.

    ::

        KlingGenerateOperator(..., on_success_callback=KlingNotifier(), on_failure_callback=KlingNotifier())

    As a callback of a Dag it reports the run: how it ended and why. A message that cannot be sent is a warning in the
    log and changes nothing else.

    :param http_conn_id: the id of an HTTP connection with the webhook's URL. (templated)
    :param endpoint: the rest of the URL, if it is not in the connection. (templated)
    :param text: the message; ``kling`` is a mapping of ``title name prompt model state reason made cost kling_task_id
        file files poster manifest video image gallery log type take external_task_id times_sent
        created_at finished_at expires_at``
        (texts or ``None``; ``made`` is what it consists of, such as ``2 images and 1
        sound``; ``file`` (the first one, ``files`` with how many others) and ``poster`` are in the storage, ``video`` and
        ``image`` their URLs at the API server, for users who are signed in; URLs need ``[api] base_url``),
        beside Airflow's own context. In prompt, name and reason ``& < >`` are escaped, so that a prompt cannot mention
        users. (templated)
    :param payload: further keys of the JSON, such as ``{"channel": "#videos"}``. (templated)
    """

    template_fields: Sequence[str] = ("http_conn_id", "endpoint", "text", "payload")

    def __init__(
        self,
        *,
        http_conn_id: str = "kling_webhook",
        endpoint: str | None = None,
        text: str = _TEXT,
        payload: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.http_conn_id = http_conn_id
        self.endpoint = endpoint
        self.text = text
        self.payload = payload

    def __call__(self, *args: Any) -> None:
        # Airflow renders the fields of this object in place; the next run must find them as they were written.
        BaseNotifier.__call__(copy(self), *args)

    def __await__(self) -> Generator[Any, None, None]:
        return BaseNotifier.__await__(copy(self))

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Render the fields with Airflow's context and ``kling``."""
        super().render_template_fields({**context, "kling": Facts(context)}, jinja_env)  # type: ignore[typeddict-unknown-key]

    async def async_notify(self, context: Context) -> None:
        """Send the message from an event loop, as deadline alerts do."""
        await asyncio.to_thread(self.notify, context)

    def notify(self, context: Context) -> None:
        """Send the message; a failure is logged as a warning. Airflow has rendered the fields before."""
        from airflow.providers.http.hooks.http import HttpHook

        text = "\n".join(line for line in self.text.splitlines() if line.strip())
        try:
            # Not by HttpHook.run: it logs the URL of a connection that fails, which is often the secret.
            hook = HttpHook(method="POST", http_conn_id=self.http_conn_id)
            session = hook.get_conn()
            url = hook.url_from_endpoint(self.endpoint)
            session.post(url, json={**(self.payload or {}), "text": text}, timeout=10).raise_for_status()
        except Exception as error:  # noqa: BLE001 - neither it nor its text, which may hold the webhook's secret URL
            self.log.warning("The message about this result could not be sent: %s", type(error).__name__)
