# SPDX-License-Identifier: Apache-2.0
"""Results of other tasks as inputs: what of them is sent, what stands for them in the identity, what is shown, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from airflow.sdk.io import attach
from PIL import Image as Pillow
from pydantic import Field

from kling_provider.api.catalog import add_spec_for_now
from kling_provider.api.pricing import Price
from kling_provider.api.problems import Problem
from kling_provider.api.request_types import RequestSpec
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ImageInput, Media, SessionId, Text, VideoId, VoiceId, Wire
from kling_provider.api.requests.parts import Element, ReferenceImage
from kling_provider.api.tasks import KlingTask, Output, TaskStatus
from kling_provider.exceptions import KlingRequestError
from kling_provider.execution.outcome import TaskOutcome
from kling_provider.execution.plan import RequestPlan, plan_request
from kling_provider.execution.sending import prepare_wire
from kling_provider.execution.shown_fields import unwrap_requests, wrap_inputs
from kling_provider.hooks.kling import KlingHook
from tests.unit.instance import Instance
from tests.unit.test_input_media import SigningStore, sound, whole_video

_numbers = count()
SOON = datetime.now(UTC) + timedelta(days=20)
GONE = datetime.now(UTC) - timedelta(days=1)
LINK = "https://v16.example/out.mp4?cacheKey=s3cr3t&x-kcdn-pid=112&ksSecret=s3cr3t&ksTime=694"


class Remix(KlingRequest):
    """All kinds of inputs at once."""

    type: Literal["remix"] = "remix"
    prompt: Annotated[Text | None, Wire("prompt", "prompt")] = None
    video: Annotated[
        str | None,
        Media("video", "video_face", "video_face", id_field="video_id"),
        Wire("contents[video].url", "video_url"),
    ] = None
    video_id: Annotated[VideoId | None, Wire("video_id", "video_id")] = None
    clip: Annotated[
        str | None,
        Media("video", "video_face", "video_face", id_field="clip_id"),
        Wire("contents[clip].url", "clip_url"),
    ] = None
    clip_id: Annotated[VideoId | None, Wire("clip_id", None)] = None
    film: Annotated[
        str | None, Media("video", "video_sound", "video_sound"), Wire("contents[film].url", "film")
    ] = None
    speech: Annotated[
        str | None,
        Media("audio", "audio_lip_sync", "audio_lip_sync", id_field="audio_id"),
        Wire("sound", "sound"),
    ] = None
    audio_id: Annotated[Text | None, Wire("audio_id", "audio_id")] = None
    sample: Annotated[str | None, Media("audio", "sound_voice", "sound_voice"), Wire("sample", "sample")] = (
        None
    )
    picture: Annotated[ImageInput | None, Wire("contents[picture].url", "picture")] = None
    pictures: Annotated[list[ImageInput], Wire("contents[piece].url", "pieces")] = Field(default_factory=list)
    reference_images: Annotated[list[ReferenceImage], Wire("contents[ref]", "refs")] = Field(
        default_factory=list
    )
    elements: Annotated[list[Element], Wire("contents[element]", "element_list")] = Field(
        default_factory=list
    )
    voice_id: Annotated[VoiceId | None, Wire("voice_id", "voice_id")] = None
    session_id: Annotated[SessionId | None, Wire("session_id", "session_id")] = None

    def find_wrong_lengths(self, seconds: Mapping[str, float]) -> list[Problem]:
        too_long = seconds.get("video", 0) > 50 and not self.prompt
        return [Problem("video", None, "must last at most 50 s without a prompt")] if too_long else []


class PerInputSecond:
    """One unit for each second of the video."""

    def compute_price(self, request: Any, seconds: Mapping[str, float]) -> Price:
        if "video" not in seconds:
            return Price(None, None, "the length of the input decides")
        units = Decimal(round(seconds["video"]))
        return Price(units, units, "made up")


REMIX = RequestSpec(
    type="remix",
    made_by=Remix,
    paths={"standard": "/remix", "legacy": "/v1/remix"},
    outputs=("video",),
    price_rule=PerInputSecond(),
)


@pytest.fixture(autouse=True)
def _remix() -> Iterator[None]:
    with add_spec_for_now(REMIX):
        yield


def add_connection(monkeypatch: pytest.MonkeyPatch, conn_id: str, key: str, **extra: Any) -> None:
    connection = {"conn_type": "kling", "password": key, "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> KlingHook:
    add_connection(monkeypatch, "kling_default", "sk-one")
    return KlingHook("kling_default")


Plan = Callable[..., RequestPlan]
Send = Callable[[RequestPlan], Any]


@pytest.fixture
def send(hook: KlingHook) -> Send:
    """What goes over the wire."""
    return lambda made: prepare_wire(made, hook)


@pytest.fixture
def plan(hook: KlingHook) -> Plan:
    def make(inputs: Any, request: Mapping[str, Any] | None = None, **more: Any) -> RequestPlan:
        data = {"type": "remix", **(request or {})}
        context = Instance().context
        return plan_request(hook, data, context, pay_once_per="dag", inputs=inputs, **more)

    return make


def output(**facts: Any) -> dict[str, Any]:
    return {"type": "video", "id": "v-1", "url": LINK, "duration": 5.041, "file": None, **facts}


def result(*outputs: dict[str, Any], expires: datetime | None = SOON, **facts: Any) -> dict[str, Any]:
    return {
        "name": "boat",
        "kling_task_id": "858100000000000001",
        "status": "succeeded",
        "outputs": list(outputs or (output(),)),
        "finished_at": (expires - timedelta(days=30)).isoformat() if expires else None,
        "expires_at": expires.isoformat() if expires else None,
        "conn_id": "kling_default",
        **facts,
    }


def image(**facts: Any) -> dict[str, Any]:
    return output(
        **{"type": "image", "id": None, "url": "https://v16.example/a.png?ksSecret=s3cr3t&ksTime=1", **facts}
    )


@pytest.fixture
def saved(tmp_path: Path) -> str:
    path = tmp_path / "boat.png"
    Pillow.new("RGB", (400, 300), "blue").save(path)
    return f"file://{path}"


@pytest.fixture
def stored() -> str:
    conn, fs = f"results{next(_numbers)}", SigningStore()
    attach("s3", conn, fs=fs)
    fs.pipe_file("/bucket/boat.mp4", whole_video(3, 720, 720))
    return f"s3://{conn}@bucket/boat.mp4"


# -- what is sent ------------------------------------------------------------------------------------------------


def test_the_id_is_sent_where_the_endpoint_takes_one(plan: Plan) -> None:
    made = plan({"video": result()})
    assert (made.wire.video, made.wire.video_id) == (None, "v-1")  # type: ignore[attr-defined]
    assert made.shown["video"] == "output 1 of Kling task 858100000000000001"


def test_else_the_link_is_sent(plan: Plan, send: Send) -> None:
    made = plan({"film": result()})
    assert send(made).film == LINK
    assert made.shown["film"] == "output 1 of Kling task 858100000000000001"


def test_else_the_file_is_sent(plan: Plan, send: Send, saved: str, stored: str) -> None:
    picture = send(plan({"picture": result(image(file=saved), expires=GONE)}))
    assert picture.picture.startswith("iVBOR")
    film = send(plan({"film": result(output(file=stored), expires=GONE)}))
    assert film.film.startswith("https://store.example/bucket/boat.mp4?Signature=")
    many = send(plan({"pictures": [result(image()), result(image(file=saved), expires=GONE)]}))
    assert [one[:5] for one in many.pictures] == ["https", "iVBOR"]


def test_when_nothing_will_do_it_is_said_why(plan: Plan, send: Send, saved: str) -> None:
    """Just before the call: what was paid for the same request earlier is found without it."""
    gone = plan({"video": result(expires=GONE)})
    with pytest.raises(KlingRequestError) as wrong:
        send(gone)
    text = str(wrong.value)
    assert (
        "nothing was sent: video: cannot take output 1 of Kling task 858100000000000001: Kling knows its id"
        in text
    )
    assert "its link expired on" in text
    assert "and it was not saved. Make it again: raise take in its request" in text
    local = plan({"video": result(output(file=saved), expires=GONE)})
    with pytest.raises(
        KlingRequestError, match=r"must not be a path of the worker.* \(Kling knows its id until"
    ):
        send(local)
    with pytest.raises(KlingRequestError, match="voice_id: must be the result of a task that made a voice"):
        plan({"voice_id": result()})


def test_an_id_is_sent_in_its_own_account_only(
    plan: Plan, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_connection(monkeypatch, "other", "sk-two")
    add_connection(monkeypatch, "twin", "sk-one")
    assert plan({"video": result(conn_id="twin")}).wire.video_id == "v-1"  # type: ignore[attr-defined]
    for conn_id in ("other", "no_such_connection"):
        made: Any = plan({"video": result(conn_id=conn_id)})
        assert (made.wire.video, made.wire.video_id) == (LINK, None)
        assert made.identity == plan({"video": result()}).identity
    voice = result({"type": "voice", "id": "829", "url": "https://x.example/v.mp3"}, conn_id="other")
    made = plan({"voice_id": voice})
    with pytest.raises(KlingRequestError, match="its id is known in the account of connection other only"):
        send(made)


@pytest.mark.parametrize(
    ("field", "type_", "hours", "alive"),
    [
        ("session_id", "session", 23, True),
        ("session_id", "session", 24, False),
        ("voice_id", "voice", 24 * 90, True),
        ("elements", "element", 24 * 90, True),
        ("video_id", "video", 24 * 29, True),
        ("audio_id", "audio", 24 * 31, False),
    ],
)
def test_each_id_lives_its_own_time(
    field: str, type_: str, hours: int, alive: bool, plan: Plan, send: Send
) -> None:
    made = datetime.now(UTC) - timedelta(hours=hours)
    value = result({"type": type_, "id": "i-1"}, expires=made + timedelta(days=30))
    key = "speech" if field == "audio_id" else field
    if not alive:
        planned = plan({key: value})
        with pytest.raises(KlingRequestError, match="Kling knows its id until"):
            send(planned)
        return
    sent = getattr(send(plan({key: value})), field)
    assert sent == ([Element(element_id="i-1")] if field == "elements" else "i-1")


# -- which output --------------------------------------------------------------------------------------------------


def test_the_first_output_that_fits_is_taken_and_the_log_says_so(
    plan: Plan, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    both = result(output(type="audio", id="a-1"), output(id="v-1"), output(id="v-2"))
    assert plan({"video": both}).wire.video_id == "v-1"  # type: ignore[attr-defined]
    assert "video: output 2 of Kling task 858100000000000001 is taken, of 2 that fit" in caplog.text
    assert "write {'result': …, 'output': 3}" in caplog.text
    assert plan({"speech": both}).wire.audio_id == "a-1"  # type: ignore[attr-defined]


def test_an_output_may_be_chosen_by_its_number(plan: Plan) -> None:
    both = result(output(id="v-1"), output(id="v-2"))
    for number in (2, "2"):
        assert plan({"video": {"result": both, "output": number}}).wire.video_id == "v-2"  # type: ignore[attr-defined]
    for number, says in (
        (3, "at most 2 as output"),
        (0, "a whole number from 1"),
        (True, "a whole number from 1"),
    ):
        with pytest.raises(KlingRequestError, match=says):
            plan({"video": {"result": both, "output": number}})


def test_one_output_of_a_result_is_an_input_as_well(plan: Plan) -> None:
    whole = result(image(), image(url="https://v16.example/b.png?ksSecret=s&ksTime=1"))
    facts = {name: whole[name] for name in ("kling_task_id", "expires_at", "finished_at", "conn_id")}
    alone = {**whole["outputs"][1], **facts, "number": 2}
    assert plan({"picture": alone}).identity == plan({"picture": {"result": whole, "output": 2}}).identity
    assert plan({"picture": alone}).shown["picture"] == "output 2 of Kling task 858100000000000001"


def test_a_voice_may_be_made_from_a_sound_or_a_video(plan: Plan) -> None:
    assert plan({"sample": result(output(duration=6))}).wire.sample == LINK  # type: ignore[attr-defined]
    with pytest.raises(KlingRequestError, match="must be a sound; Kling task 858100000000000001 made: image"):
        plan({"sample": result(image())})


def test_a_sound_is_never_sent_by_its_id_where_the_id_of_a_video_is_meant(
    hook: KlingHook, tmp_path: Path
) -> None:
    """A voice is made from a sound by its link, or from Kling's own video by the id of that."""

    def voice(value: Any) -> RequestPlan:
        data = {"type": "custom_voice", "voice_name": "narrator"}
        return plan_request(hook, data, Instance().context, pay_once_per="dag", inputs={"sound": value})

    sound_link = "https://v16.example/a.mp3?ksSecret=s3cr3t&ksTime=1"
    spoken = {"type": "audio", "id": "a-1", "url": sound_link, "duration": 8.0}
    made: Any = voice(result(spoken))
    assert (made.wire.sound, made.wire.video_id) == (sound_link, None)
    assert dict(made.identity.fingerprint)["sound"] == "kling-output:a-1"
    stand_in = voice(result(spoken, expires=GONE))
    assert stand_in.identity == made.identity
    filmed: Any = voice(result(output(duration=8.0)))
    assert (filmed.wire.sound, filmed.wire.video_id) == (None, "v-1")


@pytest.mark.parametrize("field", ["audio_file", "audio_url"])
def test_the_older_lip_sync_takes_a_sound_by_its_link_and_by_its_file(
    field: str, hook: KlingHook, tmp_path: Path
) -> None:
    file = tmp_path / "speech.wav"
    file.write_bytes(sound(3))
    spoken = {"type": "audio", "id": "a-1", "url": "https://v16.example/a.mp3?ksSecret=s3cr3t&ksTime=1"}

    def speak(value: Any) -> tuple[RequestPlan, Any]:
        data = {"type": "lip_sync", "mode": "audio2video", "video_id": "v-1"}
        made = plan_request(hook, data, Instance().context, pay_once_per="dag", inputs={field: value})
        return made, prepare_wire(made, hook).to_body("legacy")["input"]

    by_link, linked = speak(result(spoken))
    by_file, filed = speak(result({**spoken, "file": f"file://{file}"}, expires=GONE))
    assert (linked["audio_type"], linked["audio_url"]) == ("url", spoken["url"])
    assert (filed["audio_type"], filed["audio_file"][:4]) == ("file", "UklG")
    assert {*linked} & {*filed} == {"mode", "video_id", "audio_type"}
    assert by_link.identity == by_file.identity


def test_one_of_two_inputs_for_one_field_is_refused(plan: Plan) -> None:
    """Which of them would be sent, and which of them would count, must not depend on their order."""
    for inputs in (
        {"video": result(), "video_id": "v-2"},
        {"video_id": "v-2", "video": result()},
        {"video_url": result(output(id="v-3")), "video": result()},
    ):
        with pytest.raises(KlingRequestError, match="must be given once"):
            plan(inputs)


def test_an_output_alone_counts_as_it_does_in_its_result(plan: Plan) -> None:
    """Also where a host gives all outputs the id of their task: two of them are two inputs."""
    task = KlingTask(
        kling_task_id="858100000000000001",
        status=TaskStatus.SUCCEEDED,
        outputs=(
            Output("video", id="t", url=LINK, duration=5.0),
            Output("video", id="t", url=LINK, duration=5.0),
        ),
        updated_at=datetime.now(UTC),
    )
    whole = TaskOutcome.of_task(task, None, type="remix").to_xcom(conn_id="kling_default")
    alone = [key(plan({"film": one})) for one in whole["outputs"]]
    chosen = [key(plan({"film": {"result": whole, "output": number}})) for number in (1, 2)]
    assert alone == chosen
    assert len(set(alone)) == 2
    by_id: Any = [plan({"video": one}) for one in whole["outputs"]]
    assert key(by_id[0]) != key(by_id[1])


def test_a_list_takes_results_or_one(plan: Plan) -> None:
    one, two = result(image(url="https://a.example/1.png")), result(image(url="https://a.example/2.png"))
    assert plan({"pictures": one}).wire.pictures == ["https://a.example/1.png"]  # type: ignore[attr-defined]
    made: Any = plan({"pictures": [one, "https://b.example/x.png", two]}).wire
    assert made.pictures == ["https://a.example/1.png", "https://b.example/x.png", "https://a.example/2.png"]
    named: Any = plan({"reference_images": [one, {"image": two, "id": "boat"}]})
    assert [(item.image, item.id) for item in named.wire.reference_images] == [
        ("https://a.example/1.png", None),
        ("https://a.example/2.png", "boat"),
    ]
    assert named.shown["reference_images"] == [
        {"image": "output 1 of Kling task 858100000000000001"},
        {"image": "output 1 of Kling task 858100000000000001", "id": "boat"},
    ]


def test_elements_and_voices_come_from_results(plan: Plan) -> None:
    hero = result({"type": "element", "id": "e-1"})
    made: Any = plan({"elements": [hero, {"element_id": hero, "id": "hero"}]}).wire
    assert made.elements == [Element(element_id="e-1"), Element(element_id="e-1", id="hero")]
    assert plan({"elements": ["e-1"]}).wire.elements == [Element(element_id="e-1")]  # type: ignore[attr-defined]
    assert plan({"elements": hero}).identity == plan(None, {"elements": [{"element_id": "e-1"}]}).identity
    voice = result({"type": "voice", "id": "829", "url": "https://x.example/v.mp3"})
    assert plan({"voice_id": voice}).identity == plan(None, {"voice_id": "829"}).identity


# -- the request ---------------------------------------------------------------------------------------------------


def test_an_input_wins_over_the_request_and_the_log_says_so(
    plan: Plan, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    made: Any = plan({"video": result()}, {"video_url": "https://x.example/old.mp4"})
    assert (made.wire.video, made.wire.video_id) == (None, "v-1")
    assert "The request's video_url gives way to inputs['video']." in caplog.text
    assert set(made.shown) == {"type", "video"}
    again: Any = plan({"video_id": result()}, {"video_id": "old"})
    assert again.wire.video_id == "v-1"
    plain: Any = plan({"picture": "https://x.example/new.png?Signature=s&Expires=1"}, {"picture": "old.png"})
    assert plain.shown["picture"] == "https://x.example/new.png"


class Lazy(list[Any]):
    """What Airflow gives for the output of a mapped task."""


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"video": [result(), result()]}, r"must be one result, and not 2: take one of them.*\.expand\(inputs="),
        ({"video": Lazy([result()])}, "must be one result, and not 1"),
        ({"vidoe": result()}, r"takes no result of another task\. Did you mean 'video'\?"),
        ({"prompt": result()}, "takes no result of another task"),
        ({"video": None}, "must be a result; found none, as a task that was skipped leaves it"),
        ({"video": "None"}, "found none"),
        ({"pictures": [None]}, "found none"),
        ({"video": str(result())}, r"found the text that a template writes of it: write task\.output"),
        ({"video": {"plan_only": True, "kling_task_id": None}}, "A task that was skipped, or only planned, has none"),
        ({"video": {"result": None}}, "A task that was skipped, or only planned, has none"),
        ({"video": result(status="processing")}, "must be a finished result"),
        ({"video": result(image())}, "must be a video; Kling task 858100000000000001 made: image"),
        ({"session_id": result({"type": "session", "id": None})}, "cannot take output 1 of .*: Kling gave it no id"),
        ("a text", "inputs: must be a mapping of fields to results such as .*; found str"),
        (result(), r"must be a mapping of fields to results; found a result itself.*\.map\(lambda"),
        ({"video": result(output(duration=61.0))}, "video: output 1 of .* lasts 61.0 s; it must last 2 to 60 s"),
        ({"video": result(output(duration=55.0))}, "must last at most 50 s without a prompt"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_before_anything_is_sent(inputs: Any, says: str, plan: Plan) -> None:
    with pytest.raises(KlingRequestError, match=says) as wrong:
        plan(inputs)
    assert "nothing was sent" in str(wrong.value).lower()
    assert "s3cr3t" not in str(wrong.value)


def test_all_wrong_inputs_are_told_at_once(plan: Plan) -> None:
    with pytest.raises(KlingRequestError) as wrong:
        plan({"video": result(image()), "picture": result(), "voice_id": None})
    assert [one.field for one in wrong.value.problems] == [
        "inputs.video",
        "inputs.picture",
        "inputs.voice_id",
    ]


# -- identity --------------------------------------------------------------------------------------------------------


def key(made: RequestPlan) -> str:
    return made.identity.key


def test_whatever_is_sent_the_request_is_the_same(
    plan: Plan, saved: str, stored: str, hook: KlingHook
) -> None:
    """A chain that is cleared pays nothing: neither after the links died, nor where a file moved."""
    by_id = plan({"video": result()})
    by_link = plan({"video": result(conn_id="no_such_connection")})
    by_file = plan({"video": result(output(file=stored), expires=GONE)})
    written = plan(None, {"video_id": "v-1"})
    assert [type(one.wire.video) for one in (by_id, by_link, by_file)] == [type(None), str, str]  # type: ignore[attr-defined]
    assert len({key(one) for one in (by_id, by_link, by_file, written, plan({"video_id": result()}))}) == 1

    link = plan({"film": result()})
    file = plan({"film": result(output(file=stored), expires=GONE)})
    assert key(link) == key(file)
    picture = plan({"picture": result(image())})
    assert key(picture) == key(plan({"picture": result(image(file=saved), expires=GONE)}))
    pictures = plan({"pictures": [result(image())]})
    assert key(pictures) == key(plan({"pictures": result(image(file=saved), expires=GONE)}))


def test_both_api_designs_count_alike(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one of them has no field for the id, the link is sent, and it is the same request."""
    standard = plan({"clip": result()})
    add_connection(monkeypatch, "kling_default", "sk-one", api="legacy")
    legacy_hook = KlingHook("kling_default")
    data = {"type": "remix"}
    legacy = plan_request(
        legacy_hook, data, Instance().context, pay_once_per="dag", inputs={"clip": result()}
    )
    assert (standard.wire.clip_id, standard.wire.clip) == ("v-1", None)  # type: ignore[attr-defined]
    assert (legacy.wire.clip_id, legacy.wire.clip) == (None, LINK)  # type: ignore[attr-defined]
    assert key(standard) == key(legacy)


def test_another_output_is_another_input(plan: Plan) -> None:
    """And a chain whose first step was made again is paid again in each step."""
    same_link = [image(), image()]
    keys = {
        key(plan({"picture": {"result": result(*same_link), "output": 1}})),
        key(plan({"picture": {"result": result(*same_link), "output": 2}})),
        key(plan({"picture": result(*same_link, kling_task_id="858100000000000002")})),
        key(plan({"picture": result(image(id="i-9"))})),
        key(plan({"picture": "https://v16.example/a.png"})),
    }
    assert len(keys) == 5
    assert key(plan({"video": result()})) != key(plan({"video": result(output(id="v-2"))}))
    # Outputs to which a host gives the id of their task.
    shared = result(output(id="t"), output(id="t"))
    assert len({key(plan({"film": {"result": shared, "output": number}})) for number in (1, 2)}) == 2


def test_the_forms_that_enter_identities_are_pinned(plan: Plan) -> None:
    """For ever: another form would pay for every chain once more."""
    made = plan({"film": result(), "picture": result(image())})
    assert dict(made.identity.fingerprint) == {
        "type": "remix",
        "film": "kling-output:v-1",
        "picture": "kling-task:858100000000000001/1",
    }
    assert dict(plan({"video": result()}).identity.fingerprint) == {"type": "remix", "video_id": "v-1"}


# -- what is shown ---------------------------------------------------------------------------------------------------


def test_nothing_that_is_stored_or_shown_holds_a_link_or_bytes(
    plan: Plan, saved: str, hook: KlingHook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    inputs = {
        "film": result(),
        "picture": result(image(file=saved), expires=GONE),
        "pictures": [result(image(file=saved))],
    }
    made = plan(inputs)
    told = [
        made.sent.to_json(),
        made.show_call(hook.connection, "af-1"),
        made.describe(hook.connection, "af-1", 0),
        dict(made.identity.fingerprint),
        repr(made),
        repr(wrap_inputs(inputs)),
        caplog.text,
    ]
    assert "s3cr3t" not in str(told)
    assert "iVBOR" not in str(told)
    path = saved.removeprefix("file://")
    assert made.shown["picture"] == f"output 1 of Kling task 858100000000000001 ({path})"
    assert made.show_call(hook.connection, "af-1")["json"]["contents"][0] == {
        "type": "film",
        "url": "output 1 of Kling task 858100000000000001",
    }
    # What is looked for later is no address of lineage.
    later = plan({"film": result(output(url=None))})
    assert later.sent.input_urls == ()
    # Lineage names where it was saved, by which the two tasks are joined.
    assert made.sent.input_urls == ("https://v16.example/out.mp4", saved, saved)


def test_rendered_fields_show_results_in_words(saved: str) -> None:
    both = result(image(file=saved), image())
    inputs = {
        "picture": both,
        "film": {"result": both, "output": 2},
        "reference_images": [{"image": result(), "id": "boat"}],
        "video": "858100000000000001",
        "plain": LINK,
        "broken": {"result": both, "output": "x"},
    }
    wrapped = wrap_inputs(inputs)
    assert wrapped.serialize() == {
        "picture": f"Kling task 858100000000000001, 2 outputs ({saved.removeprefix('file://')})",
        "film": "output 2 of Kling task 858100000000000001",
        "reference_images": [{"image": "output 1 of Kling task 858100000000000001", "id": "boat"}],
        "video": "Kling task 858100000000000001",
        "plain": "https://v16.example/out.mp4",
        "broken": "a result that cannot be read",
    }
    assert unwrap_requests(wrapped) is inputs


# -- prices ------------------------------------------------------------------------------------------------------------


def test_the_length_of_an_input_gives_the_price(plan: Plan, stored: str) -> None:
    assert plan({"video": result()}).price.units == 5
    assert plan(None, {"video": stored}).price.units == 3
    assert plan(None, {"video": "https://x.example/a.mp4"}).price.units is None
    assert plan(None, {"video_id": "v-1"}).price.units is None


def test_a_local_sound_is_measured(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(sound(2.5))
    made = plan(None, {"speech": str(tmp_path / "a.wav")})
    assert made.seconds == {"speech": pytest.approx(2.5, abs=0.01)}
