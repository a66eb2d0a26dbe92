# SPDX-License-Identifier: Apache-2.0
"""Gateways have no regions, no console and no lock; some share one account at Kling among all their customers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kling_provider.api.tasks import TaskStatus
from kling_provider.exceptions import KlingError, KlingSubmitUnknown, KlingTaskNotFound
from kling_provider.hooks.kling import KlingHook
from kling_provider.sandbox import Sandbox
from tests.regressions.attempts import PANDA, attempt, made, use_connection
from tests.unit.instance import Instance


@pytest.fixture
def reseller() -> Iterator[Sandbox]:
    """new-api since August 2026: the whole body goes on to the account that its customers share."""
    with Sandbox(profile="gateway", shape="new-api-plugin", time_scale=1) as sandbox:
        yield sandbox


def sent(sandbox: Sandbox) -> list[tuple[str | None, str | None]]:
    """External id and callback of each task, as Kling got them."""
    return [(task.request.external_id, task.request.callback_url) for task in sandbox.backend.all()]


@pytest.mark.parametrize("namespace", ["", None, "   ", "films-of-ours"])
def test_an_external_id_reaches_a_shared_account_only_with_a_namespace(
    namespace: str | None, reseller: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"profile": "new-api", "namespace": namespace}
    use_connection(monkeypatch, reseller.base_url, extra=extra)
    assert isinstance(attempt(Instance()), str)
    ((external, callback),) = sent(reseller)
    assert callback is None
    if namespace == "films-of-ours":
        assert external is not None
        assert external.startswith("af-")
    else:
        assert external is None


def test_an_own_id_and_a_callback_want_a_namespace_there(
    reseller: Sandbox, variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = {**PANDA, "external_task_id": "order-7", "callback_url": "http://127.0.0.1:9/done"}
    use_connection(monkeypatch, reseller.base_url, extra={"profile": "new-api"})
    error = attempt(Instance(), request=request)
    assert isinstance(error, KlingError)
    assert "namespace" in str(error)
    assert sent(reseller) == []
    use_connection(monkeypatch, reseller.base_url, extra={"profile": "new-api", "namespace": "ours"})
    assert isinstance(attempt(Instance(), request=request), str)
    assert sent(reseller) == [("order-7", "http://127.0.0.1:9/done")]


def test_an_id_there_is_no_lock(reseller: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever answers "already exists" there may speak of another customer's task: nothing is taken over, nor sent."""
    use_connection(monkeypatch, reseller.base_url, extra={"profile": "new-api", "namespace": "ours"})
    reseller.set_faults([{"kind": "answer_lost_after", "times": 1}])
    instance = Instance()
    for _ in range(2):
        error = attempt(instance)
        assert isinstance(error, KlingSubmitUnknown), repr(error)
    assert made(reseller) == 1
    creates = reseller.stats()["creates"]["received"]
    assert creates == 1, "not sent again"


@pytest.mark.parametrize("shape", ["new-api", "new-api-video", "new-api-plugin"])
@pytest.mark.parametrize("fault", [None, "task_fails", "gateway_gives_up"])
def test_a_video_of_each_kind_of_new_api(
    shape: str, fault: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(profile="gateway", shape=shape, time_scale=1) as sandbox:
        use_connection(monkeypatch, sandbox.base_url, extra={"profile": "new-api"})
        if fault:
            sandbox.set_faults([{"kind": fault, "message": "its own words", "after": 0.5}])
        kling_task_id = attempt(Instance())
        assert isinstance(kling_task_id, str), repr(kling_task_id)
        hook, seen = KlingHook(), []
        for _ in range(9):
            read = hook.get_task(kling_task_id)
            assert read.kling_task_id == kling_task_id
            seen.append(read.status)
            if read.status.ended:
                break
            sandbox.advance(15)
        failed = fault == "task_fails" or (fault == "gateway_gives_up" and shape != "new-api-plugin")
        assert seen[-1] is (TaskStatus.FAILED if failed else TaskStatus.SUCCEEDED)
        assert all(status.running for status in seen[:-1]), seen
        if failed:
            assert read.message == "its own words"
        else:
            assert [str(output.url).startswith(sandbox.url) for output in read.outputs] == [True]


TEXTS: dict[str, dict[str, Any]] = {
    "wrong key": {"code": 1002, "message": "api key not found"},
    "no permission": {"code": 1103, "message": "no permission"},
    "suspended": {"code": 1100, "message": "account state abnormal"},
    "arrears": {"code": 1101, "message": "in arrears"},
    "empty": {"code": 1102, "message": "Account balance not enough"},
    "address": {"code": 1304, "message": "ip whitelist"},
}


@pytest.mark.parametrize("name", TEXTS)
def test_no_regions_and_no_console_of_klings_at_a_gateway(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for profile, extra in (("gateway", {"profile": "gateway"}), ("kling", {"profile": "kling"})):
        with Sandbox(profile=profile, time_scale=1) as sandbox:
            use_connection(monkeypatch, sandbox.base_url, password=sandbox.api_key, extra=extra)
            sandbox.set_faults([{"kind": "answer", "status": 400, "body": TEXTS[name]}])
            error = attempt(Instance())
        assert isinstance(error, KlingError)
        if profile == "gateway":
            assert "region" not in str(error)
            assert "Kling's console" not in str(error)
        elif name in ("wrong key", "empty"):
            assert "region" in str(error) or "Kling's console" in str(error)


@pytest.mark.parametrize(
    "kling_task_id", ["task_0123456789abcdef0123456789abcdef", "867283741759111202", "x"]
)
def test_an_unknown_task_at_a_gateway_has_no_region(
    kling_task_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shape in ("dmxapi", "new-api"):
        with Sandbox(profile="gateway", shape=shape, time_scale=1) as sandbox:
            use_connection(monkeypatch, sandbox.base_url, extra={"profile": "gateway"})
            with pytest.raises(KlingTaskNotFound) as caught:
                KlingHook().get_task(kling_task_id)
            adopting = attempt(Instance(), request={**PANDA, "adopt": kling_task_id})
        for text in (str(caught.value), str(adopting)):
            assert kling_task_id in text
            assert "region" not in text


MODELS = {
    "kling-v9": "kling-v3",
    "kling-v2-9": "kling-v2-6",
    "kling-2.5-turbo-pro": "kling-2.5-turbo",
    "kling-v1": "kling-v3",
    "klng-v3": "kling-v3",
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("shape", ["dmxapi", "new-api", "new-api-plugin", "kling", "legacy"])
def test_a_model_that_the_host_does_not_know_is_named_with_the_nearest_one(
    model: str, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kling = shape in ("kling", "legacy")
    extra = (
        {"profile": "kling", "api": {"kling": "standard"}.get(shape, "legacy")}
        if kling
        else {"profile": "gateway"}
    )
    options = {"profile": "kling"} if kling else {"profile": "gateway", "shape": shape}
    if model == "kling-v1" and shape != "legacy":
        return  # refused before it is sent, or still sold there
    with Sandbox(time_scale=1, **options) as sandbox:
        use_connection(monkeypatch, sandbox.base_url, password=sandbox.api_key, extra=extra)
        error = attempt(Instance(), request={**PANDA, "model": model})
    assert isinstance(error, KlingError), repr(error)
    assert model in str(error)
    assert f"nearest current one is {MODELS[model]}" in str(error) or f"({MODELS[model]})" in str(error), str(
        error
    )
