# SPDX-License-Identifier: Apache-2.0
"""A task that knows the end: what Airflow itself costs, with not one look in vain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, BaseOperator
from airflow.providers.http.hooks.http import HttpHook
from airflow.triggers.base import BaseTrigger, TriggerEvent


class ForeknowingVideoOperator(BaseOperator):
    """Submit a video, sleep in a trigger until it is ready, read it once.

    :param seconds: how long Kling will take.
    """

    template_fields = ("prompt", "seconds")

    def __init__(self, *, prompt: str, seconds: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.seconds = seconds

    def execute(self, context: Any) -> None:
        """Submit, and defer until the end."""
        hook = HttpHook(method="POST", http_conn_id="kling_http")
        made = hook.run("text-to-video/kling-3.0", json={"prompt": self.prompt}).json()["data"]
        trigger = MomentTrigger(moment=made["create_time"] / 1000 + float(self.seconds))
        self.defer(trigger=trigger, method_name="execute_complete", kwargs={"video_id": made["id"]})

    def execute_complete(self, context: Any, event: Any, video_id: str) -> Any:
        """Read the link."""
        hook = HttpHook(method="GET", http_conn_id="kling_http")
        (video,) = hook.run("tasks", data={"task_ids": video_id}).json()["data"]
        if video["status"] != "succeeded":
            raise AirflowException(f"it knew wrong: {video['status']}")
        return video["outputs"][0]["url"]


class MomentTrigger(BaseTrigger):
    """Fire at a moment (epoch seconds)."""

    def __init__(self, moment: float) -> None:
        super().__init__()
        self.moment = moment

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer makes it of."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"moment": self.moment}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event at the moment."""
        await asyncio.sleep(max(0.0, self.moment - time.time()))
        yield TriggerEvent({})
