# SPDX-License-Identifier: Apache-2.0
"""The documents that tasks wrote about their videos, parsed once. They may hold anything.

A field that does not parse is left out and named; the others count. So one odd value costs one line on one card, and
never a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from kling_provider.api import result_facts
from kling_provider.api.catalog import find_spec
from kling_provider.api.models import known_model
from kling_provider.api.output_facts import IMAGES, list_image_links
from kling_provider.api.spelling import translate_fields

#: Characters of a document; this provider writes none that is longer.
LARGEST = 128 * 1024
#: The most characters of a text, and entries of a list, on a card.
_LONGEST_TEXT = 20_000
_MOST = 24
#: A second id of the same task, which a card need not show.
_ID_BESIDE = "external_task_id"
#: Control characters, and what colours a terminal with them. Line breaks and tabs stay.
_CONTROLS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class Unreadable(ValueError):
    """A document that no task of this provider wrote; the text says why, in a few words."""


def read_json(text: str | None) -> Any:
    """Parse a JSON document that may hold anything.

    :param text: the document; ``None`` if it was too long to be read.
    :raises Unreadable: if it is too long, nested too deeply, or not JSON.
    """
    if text is None:
        raise Unreadable(f"longer than {LARGEST // 1024} KiB")
    try:
        return json.loads(text)
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    except ValueError:
        raise Unreadable("not JSON") from None


def _clean_text(value: Any) -> Any:
    """Clean a text for headers and browsers: numbers become text, control characters go, lone surrogates become ``?``."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return value
    return _CONTROLS.sub("", value[:_LONGEST_TEXT].encode("utf-8", "replace").decode())


def _read_time(value: Any) -> Any:
    if value is None or value == "":
        return None
    if (found := result_facts.parse_time(value)) is None:
        raise ValueError("must be a time")
    return found


def _read_amount(value: Any) -> Any:
    try:
        amount = Decimal(str(value))
    except ArithmeticError:
        amount = Decimal("NaN")
    # Within what anybody is billed: other exponents are a way to write a million digits.
    if isinstance(value, bool) or not amount.is_finite() or not -12 < amount.adjusted() < 12:
        raise ValueError("must be an amount")
    return amount


def _cut_list(value: Any) -> Any:
    return value[:_MOST] if isinstance(value, list) else value


def _clean_id(value: Any) -> Any:
    """Clean an id; a template that found nothing writes ``None`` as a word, which is no id."""
    cleaned = _clean_text(value)
    return None if isinstance(cleaned, str) and cleaned.strip() in ("", "None", "null") else cleaned


Text = Annotated[str, BeforeValidator(_clean_text)]
Time = Annotated[datetime, BeforeValidator(_read_time)]
KlingId = Annotated[str | None, BeforeValidator(_clean_id)]
Length = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Charge(_Facts):
    """One entry of a bill: units where there is no currency, of the packs of a kind."""

    charge_type: Text | None = None
    amount: Annotated[Decimal, BeforeValidator(_read_amount)]
    currency: Text | None = None
    package_type: Text | None = None


class FileFacts(_Facts):
    """A saved output: paths or URLs of the file and its poster, and what the file was.

    :param output: the number of the output, from 0; earlier releases did not tell it.
    """

    output: Annotated[int, Field(ge=0)] | None = None
    file: Text | None = None
    poster: Text | None = None
    type: Text = "video"
    sha256: Text | None = None
    bytes: int | None = None


def _keep_texts(value: Any) -> Any:
    """Keep what of an output's facts is a text; a fact that is none is no reason to lose the others."""
    if not isinstance(value, Mapping):
        return {}
    texts = {str(name)[:60]: _clean_text(text) for name, text in list(value.items())[:_MOST]}
    return {name: text for name, text in texts.items() if isinstance(text, str)}


class OutputNote(_Facts):
    """One output of a finished task, whether it is a file or not.

    :param facts: what it is in words, by name: those of a voice, of a session.
    :param images: how many images of an element there are links to.
    """

    type: Text = "video"
    id: Text | None = None
    duration: Length | None = None
    facts: Annotated[dict[str, str], BeforeValidator(_keep_texts)] = {}
    images: Annotated[int, Field(ge=0, le=_MOST)] = 0


class ShownOutput(OutputNote):
    """One output with its file, which has an empty path where none was saved."""

    file: FileFacts


class VideoFacts(_Facts):
    """The ``extra`` of the asset event of a finished result."""

    kling_task_id: KlingId = None
    conn_id: Text | None = None
    name: Text | None = None
    type: Text | None = None
    prompt: Text | None = None
    model: Text | None = None
    take: int = 0
    times_sent: int | None = None
    adopted: bool | None = None
    delivered: bool | None = None
    resolution: Text | None = None
    aspect_ratio: Text | None = None
    audio: Text | None = None
    duration: Length | None = None
    billing: Annotated[list[Charge], BeforeValidator(_cut_list)] = []
    created_at: Time | None = None
    finished_at: Time | None = None
    expires_at: Time | None = None
    outputs: Annotated[list[OutputNote], BeforeValidator(_cut_list)] = []
    files: Annotated[list[FileFacts], BeforeValidator(_cut_list)] = []

    def list_outputs(self) -> list[ShownOutput]:
        """Return the outputs in Kling's order, each with its file; of a task of an earlier release the files, or one output."""
        if not self.outputs:
            spec = find_spec(self.type)
            kind = spec.outputs[0] if spec is not None else "video"
            files = self.files or [FileFacts(type=kind)]
            return [ShownOutput(type=one.type, file=one) for one in files]
        saved = {place if one.output is None else one.output: one for place, one in enumerate(self.files)}
        return [
            ShownOutput(**one.model_dump(), file=saved.get(number) or FileFacts(type=one.type))
            for number, one in enumerate(self.outputs)
        ]


def read_other_facts(data: Any) -> dict[str, str]:
    """Return the facts of a result that a card has no field for, as texts by name."""
    if not isinstance(data, Mapping):
        return {}
    names = [
        name
        for name in result_facts.ResultFacts.model_fields
        if name not in (*VideoFacts.model_fields, _ID_BESIDE)
    ]
    found = {name: _clean_text(data.get(name)) for name in names}
    return {name: text for name, text in found.items() if isinstance(text, str) and text}


class RequestFacts(_Facts):
    """A request as its author wrote it, or with defaults filled in."""

    name: Text | None = None
    type: Text = "text_to_video"
    prompt: Text | None = None
    model: Text | None = None
    take: int = 0
    duration: Length | None = None
    resolution: Text | None = None
    aspect_ratio: Text | None = None
    audio: Text | None = None


class JobFacts(_Facts):
    """The XCom ``kling``, which says how far a job is."""

    state: Text = ""
    request: dict[str, Any] | None = None
    conn_id: Text | None = None
    kling_task_id: KlingId = None
    reason: Text | None = None
    task_state: Text | None = None
    created_at: Time | None = None
    expected_at: Time | None = None
    queued_at: Time | None = None


class OutputFacts(_Facts):
    """One output in a manifest; ``file`` and ``poster`` are names beside it."""

    file: Text | None = None
    sha256: Text | None = None
    poster: Text | None = None


class ManifestFacts(_Facts):
    """The manifest beside saved files. Without outputs it reserves the name for files that are not there yet."""

    identity: Text | None = None
    kling_task_id: KlingId = None
    outputs: Annotated[list[OutputFacts], BeforeValidator(_cut_list)] = []


class SidecarFacts(_Facts):
    """The manifest of one file, as earlier releases wrote it. With ``claim`` it reserves the name for a later file."""

    claim: bool = False
    identity: Text | None = None
    kling_task_id: KlingId = None
    sha256: Text | None = None
    poster: Text | None = None


def _find_images(value: Any) -> Any:
    """Find the links to an element's images among the details of its output."""
    return {IMAGES: list_image_links(value)} if isinstance(value, Mapping) else {}


class LinkFacts(_Facts):
    """One output of a task's result, with Kling's link, and links to the images of an element."""

    url: Text | None = None
    details: Annotated[dict[str, list[Text]], BeforeValidator(_find_images)] = {}

    def get_link(self, image: int | None) -> str | None:
        """Return the link of the output, or of one of its images, counted from 0."""
        if image is None:
            return self.url
        images = self.details.get(IMAGES, [])
        return images[image] if 0 <= image < len(images) else None


class ResultLinks(_Facts):
    """The links in the XCom ``return_value`` of a task that has a video."""

    kling_task_id: KlingId = None
    outputs: Annotated[list[LinkFacts], BeforeValidator(_cut_list)] = []


Facts = TypeVar("Facts", bound=_Facts)


def read_facts(kind: type[Facts], data: Any) -> tuple[Facts, list[str]]:
    """Read the facts in ``data``; return them, and the fields that were left out because they do not parse.

    :param kind: the class of the facts.
    :raises Unreadable: if ``data`` is not an object.
    """
    if not isinstance(data, Mapping):
        raise Unreadable("no object")
    fields = {str(key): value for key, value in data.items()}
    try:
        return kind.model_validate(fields), []
    except ValidationError as error:
        wrong = {str(item["loc"][0]) for item in error.errors(include_url=False, include_input=False)}
        kept = {key: value for key, value in fields.items() if key not in wrong}
        return kind.model_validate(kept), sorted(wrong)


def read_request(data: Mapping[str, Any] | None) -> tuple[RequestFacts, list[str]]:
    """Read a request; return it by current names with defaults filled in, and the fields that do not parse."""
    written = {key: value for key, value in (data or {}).items() if value is not None}
    spec = find_spec(written.get("type"))
    cls = None if spec is None else spec.request_class
    facts, wrong = read_facts(RequestFacts, translate_fields(written, cls)[0])
    return (fill_defaults(facts) if data else facts), wrong


#: Fields of a request that have a default.
_DEFAULTS: tuple[str, ...] = ("model", "duration", "resolution", "aspect_ratio")


def fill_defaults(facts: RequestFacts) -> RequestFacts:
    """Fill the defaults of the request's class into a request, so that it is as it is sent."""
    spec = find_spec(facts.type)
    if spec is None:
        return facts
    kind = spec.request_class
    filled: dict[str, Any] = {
        field: kind.model_fields[field].default
        for field in _DEFAULTS
        if getattr(facts, field) is None
        and field in kind.field_names()
        and not kind.model_fields[field].is_required()
    }
    if facts.audio is None and "audio" in kind.field_names():
        model = known_model(facts.model or str(filled.get("model")))
        filled["audio"] = (
            ("native" if model.always_audio else None if not model.audio else "off") if model else None
        )
    return facts.model_copy(update=filled)
