# SPDX-License-Identifier: Apache-2.0
"""What distinguishes two requests stays in their identity, what does not stays out of it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_provider.exceptions import KlingRequestError
from kling_provider.operators.kling import KlingSubmitOperator
from kling_provider.prompts import load_prompts
from kling_provider.sandbox import Sandbox
from tests.regressions.renamed import ACCOUNT
from tests.unit.instance import Instance

Identify = Callable[..., str]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def identify(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Identify:
    """The external id that a request would be sent with, in the scope of a whole account; nothing is sent."""

    def identified(request: dict[str, Any], *, extra: dict[str, Any] | None = None) -> str:
        connection = {"conn_type": "kling", "host": sandbox.base_url, "password": sandbox.api_key}
        connection["extra"] = {"profile": "kling", **(extra or {})}
        monkeypatch.setenv("AIRFLOW_CONN_KLING_DEFAULT", json.dumps(connection))
        operator = KlingSubmitOperator(task_id="video", request=request, pay_once_per=ACCOUNT, plan_only=True)
        try:
            planned = operator.execute(Instance().context)  # type: ignore[arg-type]
        except KlingRequestError as error:
            pytest.fail(f"refused: {error}")
        return str(planned["external_task_id"])

    return identified


def frame(url: str) -> dict[str, Any]:
    return {"type": "image_to_video", "prompt": "It turns", "first_frame": url}


IMAGE = "https://images.example/a.png"

#: Names that belong to signatures somewhere, each of which may choose the image elsewhere.
CHOOSING = [
    *(
        "sign",
        "sig",
        "signature",
        "tokenId",
        "token",
        "policy",
        "exp",
        "expires",
        "expiry",
        "auth",
        "secretId",
    ),
    *(
        "accesskey",
        "key-pair-id",
        "x-amz-date",
        "x-goog-date",
        "jwt",
        "api_key",
        "cachekey",
        "wstime",
        "q-ak",
    ),
    *("credential", "passwordless", "x-oss-style"),
]


@pytest.mark.parametrize("name", CHOOSING)
def test_a_parameter_that_may_choose_the_image_tells_two_requests_apart(
    name: str, identify: Identify
) -> None:
    assert identify(frame(f"{IMAGE}?{name}=leo")) != identify(frame(f"{IMAGE}?{name}=mia"))


@pytest.mark.parametrize(
    ("leo", "mia"),
    [
        ("size=l&signature=leo", "size=l&signature=mia"),
        ("exp=happy&policy=home", "exp=sad&policy=home"),
        ("sig=leo&se=1", "sig=mia&se=1"),
        ("hdnts=leo", "hdnts=mia"),
        ("e=5&token=leo", "e=5&token=mia"),
    ],
)
def test_half_a_signature_is_none(leo: str, mia: str, identify: Identify) -> None:
    assert identify(frame(f"{IMAGE}?{leo}")) != identify(frame(f"{IMAGE}?{mia}"))


@given(
    name=st.from_regex(r"[a-z][a-z_-]{0,8}(token|sign|auth|key|exp)[a-z]{0,5}", fullmatch=True),
    values=st.lists(st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True), min_size=2, max_size=2, unique=True),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_name_alone_is_left_out(name: str, values: list[str], identify: Identify) -> None:
    one, other = (identify(frame(f"{IMAGE}?{name}={value}")) for value in values)
    assert one != other


A, B = "a1" * 16, "b2" * 16
SIGNED_ANEW = {
    "Discord": ("ex=67aa&is=67ab&hm=" + A, "ex=68aa&is=68ab&hm=" + B),
    "nginx": (
        "md5=_e4Nc3iduzkWRm01TBBNYw&expires=2147483647",
        "md5=aaaaaaaaaaaaaaaaaaaaaa&expires=2147489999",
    ),
    "nginx, by its examples": ("st=_e4Nc3iduzkWRm01TBBNYw&e=2147483647", "st=aaaaaaaaaaaaaaaaaaaaaa&e=2147489999"),
    "imgix": (f"w=400&expires=1800000000&s={A}", f"w=400&expires=1800009999&s={B}"),
    "Qiniu": (
        f"e=1800000000&token={'k' * 40}:{'s' * 27}=",
        f"e=1800009999&token={'k' * 40}:{'t' * 27}=",
    ),
    "Kling, mainland": ("cacheKey=a&x-kcdn-pid=112757&pkey=c", "cacheKey=d&x-kcdn-pid=112757&pkey=f"),
}  # fmt: skip


@pytest.mark.parametrize(("once", "anew"), SIGNED_ANEW.values(), ids=SIGNED_ANEW)
def test_a_link_that_was_signed_anew_is_the_same_image(once: str, anew: str, identify: Identify) -> None:
    assert identify(frame(f"{IMAGE}?{once}")) == identify(frame(f"{IMAGE}?{anew}"))


V1 = {"model": "kling-v1-6"}
ONE_REQUEST = {
    "NFD": ({"prompt": "Café à Hué"}, {"prompt": unicodedata.normalize("NFD", "Café à Hué")}),
    "NFD in a negative prompt": (
        {"prompt": "x", "negative_prompt": "é", **V1},
        {"prompt": "x", "negative_prompt": "e\u0301", **V1},
    ),
    "CRLF": ({"prompt": "A boat.\nRain."}, {"prompt": "A boat.\r\nRain."}),
    "an old Mac": ({"prompt": "A boat.\nRain."}, {"prompt": "A boat.\rRain."}),
    "an empty negative prompt": ({"prompt": "x", **V1}, {"prompt": "x", "negative_prompt": "", **V1}),
    "a blank negative prompt": ({"prompt": "x", **V1}, {"prompt": "x", "negative_prompt": " \n", **V1}),
    "no prompt": ({"type": "image_to_video", "first_frame": IMAGE}, {**frame(IMAGE), "prompt": ""}),
    "the default cfg_scale": ({"prompt": "x", **V1}, {"prompt": "x", "cfg_scale": 0.5, **V1}),
    "the port of https": (frame(IMAGE), frame("https://images.example:443/a.png")),
    "the port of http": (frame("http://images.example/a.png"), frame("http://images.example:80/a.png")),
    "a flag of a table": ({"prompt": "x", "watermark": True}, {"prompt": "x", "watermark": "1.0"}),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other"), ONE_REQUEST.values(), ids=ONE_REQUEST)
def test_two_ways_to_write_one_request_are_one(
    one: dict[str, Any], other: dict[str, Any], identify: Identify
) -> None:
    extra = {"api": "legacy"}
    assert identify(one, extra=extra) == identify(other, extra=extra)


def test_the_other_ports_tell_two_hosts_apart(identify: Identify) -> None:
    ports = ["", ":443", ":80", ":8443"]
    assert len({identify(frame(f"https://images.example{port}/a.png")) for port in ports}) == 3


@given(text=st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_itself_in_both_forms(text: str, identify: Identify) -> None:
    forms = {identify({"prompt": f"A {unicodedata.normalize(form, text)}"}) for form in ("NFC", "NFD")}
    assert len(forms) == 1


def test_a_blank_after_the_namespace_is_the_same_namespace(identify: Identify) -> None:
    request = {"prompt": "x"}
    assert identify(request, extra={"namespace": "test"}) == identify(request, extra={"namespace": "test "})
    assert identify(request, extra={"namespace": "test"}) != identify(request, extra={"namespace": "prod"})


FORMS = {
    "audio": [
        ("a.yaml", "- {prompt: A panda, audio: off}"),
        ("a.json", '[{"prompt": "A panda", "audio": "off"}]'),
        ("a.csv", "prompt,audio\nA panda,off\n"),
        ("a.txt", "A panda\n"),
    ],
    "watermark": [
        ("a.yaml", "- {prompt: A panda, watermark: yes}"),
        ("a.json", '[{"prompt": "A panda", "watermark": true}]'),
        ("a.jsonl", '{"prompt": "A panda", "watermark": "yes"}'),
        ("a.csv", "prompt,watermark\nA panda,yes\n"),
        ("a.csv", "prompt,watermark\nA panda,TRUE\n"),
    ],
    "camera": [
        ("a.yaml", "- {prompt: A, model: kling-v1, camera_control: {type: simple, config: {pan: 5, zoom: 0}}}"),
        ("a.json", '[{"prompt": "A", "model": "kling-v1", "camera_control": {"type": "simple", "config": {"pan": 5.0}}}]'),
    ],
    "Unicode": [
        ("a.yaml", "- prompt: Cafe\u0301"),
        ("a.json", '[{"prompt": "Caf\u00e9"}]'),
        ("a.csv", "prompt\nCafe\u0301\n"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("what", FORMS)
def test_an_entry_without_a_name_has_one_name_in_every_form_of_file(
    what: str, tmp_path: Path, identify: Identify
) -> None:
    found = set()
    for number, (file, text) in enumerate(FORMS[what]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / file).write_text(text, encoding="utf-8")
        found |= {
            (request["name"], identify(request, extra={"api": "legacy"})) for request in load_prompts(folder)
        }
    assert len(found) == 1, found
