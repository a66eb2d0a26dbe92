# SPDX-License-Identifier: Apache-2.0
"""Links on the task instance. Airflow asks for them at the end of every phase, so they only read XCom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class KlingVideoLink(BaseOperatorLink):
    """The finished video: where it was saved if the browser can open that, else Kling's link."""

    name = "Video"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        result = _xcom(ti_key, "return_value")
        for output in (result.get("outputs") or []) if isinstance(result, dict) else []:
            for address in (output.get("file"), output.get("url")):
                if isinstance(address, str) and address.startswith(("http://", "https://")):
                    return address
        return ""


class KlingConsoleLink(BaseOperatorLink):
    """Kling's console, where keys, packs and bills are."""

    name = "Kling console"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        return "https://kling.ai/dev"


def _xcom(ti_key: TaskInstanceKey, key: str) -> Any:
    from airflow.sdk.execution_time.xcom import XCom

    return XCom.get_value(ti_key=ti_key, key=key)
