# SPDX-License-Identifier: Apache-2.0
"""One trigger for each task, and a session for each look."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, BaseHook, BaseOperator
from airflow.providers.http.hooks.http import HttpHook
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async


class RemoteVideoOperator(BaseOperator):
    """Submit a video, wait for it in a trigger, return its link."""

    template_fields = ("prompt",)

    def __init__(self, *, prompt: str, poll_seconds: float, timeout: float = 3600, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.poll_seconds = poll_seconds
        self.timeout = timeout

    def execute(self, context: Any) -> None:
        """Submit, and defer at once."""
        hook = HttpHook(method="POST", http_conn_id="kling_http")
        answer = hook.run("text-to-video/kling-3.0", json={"prompt": self.prompt}).json()
        trigger = RemoteVideoTrigger(
            video_id=answer["data"]["id"],
            poll_seconds=self.poll_seconds,
            end_time=time.time() + self.timeout,
        )
        self.defer(trigger=trigger, method_name="execute_complete")

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Return the link that the trigger has read."""
        if event["status"] != "succeeded":
            raise AirflowException(event["message"])
        return event["url"]


class RemoteVideoTrigger(BaseTrigger):
    """Look at one video again and again."""

    def __init__(self, video_id: str, poll_seconds: float, end_time: float) -> None:
        super().__init__()
        self.video_id = video_id
        self.poll_seconds = poll_seconds
        self.end_time = end_time

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer makes it of."""
        arguments = {
            "video_id": self.video_id,
            "poll_seconds": self.poll_seconds,
            "end_time": self.end_time,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: the end, a failure, or that it took too long."""
        try:
            while (video := await self._read())["status"] not in ("succeeded", "failed"):
                if time.time() > self.end_time:
                    yield TriggerEvent({"status": "timeout", "message": "it took too long"})
                    return
                await asyncio.sleep(self.poll_seconds)
        except Exception as error:  # noqa: BLE001  (as its models do: one failed look ends the wait)
            yield TriggerEvent({"status": "error", "message": str(error)})
            return
        if video["status"] == "failed":
            yield TriggerEvent({"status": "failed", "message": video["message"]})
        else:
            yield TriggerEvent({"status": "succeeded", "url": video["outputs"][0]["url"]})

    async def _read(self) -> dict[str, Any]:
        import aiohttp

        connection = await sync_to_async(BaseHook.get_connection)("kling_http")
        async with (
            aiohttp.ClientSession(headers=connection.extra_dejson) as session,
            session.get(f"{connection.host}/tasks", params={"task_ids": self.video_id}) as response,
        ):
            response.raise_for_status()
            return (await response.json())["data"][0]
