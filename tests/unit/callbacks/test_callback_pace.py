# SPDX-License-Identifier: Apache-2.0
"""The poller reads less while callbacks come, and no later than it must."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from kling_provider.compat import has_callbacks
from kling_provider.polling import waiting
from kling_provider.polling.render_times import RenderKind
from kling_provider.polling.wait_state import State, WaitDecision, WaitState
from tests.unit.waiting_stand_ins import Account, connection_json, serving

pytestmark = pytest.mark.skipif(not has_callbacks(), reason="callbacks are off before Airflow 3.3")
SECRET = "whsec_dGhlIHNlY3JldCBvZiBhIGNvbm5lY3Rpb24="
EVERY = 0.1


@pytest.fixture
async def account(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Account]:
    """An account whose connection takes callbacks, the last of which came a moment ago."""
    account = Account()
    async with serving(account.answer) as url:
        extra = {"profile": "kling", "webhook_secret": SECRET}
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", connection_json(url, extra=extra))
        monkeypatch.setenv("AIRFLOW_VAR_KLING_CALLBACKS:KLING_DEFAULT:STANDARD", f"{time.time():.0f}")
        yield account


async def wait(kling_task_id: str, *, patience: float) -> WaitDecision:
    now = time.time()
    state = WaitState(kling_task_id=kling_task_id, deadline=now + patience, since=now, poll_interval=EVERY)
    return await waiting.wait_for_video(
        "kling_default", state, kind=RenderKind("text_to_video"), first_look=now, say=lambda line: None
    )


async def test_nothing_is_read_between_the_first_look_and_the_deadline(account: Account) -> None:
    account.words = {"t1": "processing"}
    began = time.time()
    decision = await wait("t1", patience=3)
    assert decision.state is State.TIMEOUT
    assert 3 <= time.time() - began < 6
    assert len(account.calls) == 2
    # Now that it is known, the first look comes later as well.
    await wait("t1", patience=1)
    assert len(account.calls) == 3


async def test_after_three_ends_without_a_callback_it_reads_as_ever(account: Account) -> None:
    account.words = {"t1": "processing", **{f"ended{n}": "succeeded" for n in range(3)}}
    for n in range(3):
        # The first of them is read before the mark is known, and at once; the others on their deadlines.
        assert (await wait(f"ended{n}", patience=0.5)).state is State.SUCCEEDED
    running = asyncio.create_task(wait("t1", patience=20))
    await account.read_again(5)
    running.cancel()
