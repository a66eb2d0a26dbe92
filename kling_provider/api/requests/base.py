# SPDX-License-Identifier: Apache-2.0
"""What all requests have: keys of ours, a body for each API design, inputs, and what of them is the result's identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from kling_provider.api.problems import Problem
from kling_provider.api.requests.fields import ApiDesign, Media, ModelName, RequestPart, Text, Whole, Wire
from kling_provider.api.requests.marked_fields import find_marker, input_fields, list_result_ids
from kling_provider.api.values import is_rendered_null, is_web_url, normalize_text

#: What is billed per second depends on it: silent, with native sound, with a stored voice, from a reference video.
AudioRate = Literal["off", "native", "voice", "video", "motion"]

#: Not of dots only: the legacy API reads a task at a path that ends with its id, and ``..`` there means another path.
_EXTERNAL_ID = r"^\.*[A-Za-z0-9_:-][A-Za-z0-9._:-]*$"

#: Ours, or about the task: none of these changes the result.
_NOT_THE_RESULT = frozenset({"name", "take", "adopt", "callback_url", "external_task_id"})


@dataclass(frozen=True, slots=True)
class Summary:
    """A request in a few facts for people. ``None`` where the type has no such thing."""

    prompt: str | None
    duration: int | None
    resolution: str | None
    aspect_ratio: str | None
    sound: str | None


class KlingRequest(BaseModel):
    """The fields of every type. ``None`` means: not sent.

    A subclass adds ``type`` (a ``Literal`` with a default, the key of its catalog row) and fields whose place on the
    wire is said by :class:`~kling_provider.api.requests.fields.Wire`.
    """

    # A class takes up to 60 ms to make ready; most of them are never used in a process.
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)

    #: Defaults of a moment that stays for ever: a value that equals its entry is left out of the identity, so that
    #: writing a default out changes nothing, and a later change of our defaults does not pay again.
    frozen_defaults: ClassVar[Mapping[str, Any]] = {}
    #: The field that says in words what is made.
    prompt_field: ClassVar[str] = "prompt"
    #: Fields that come first in the body; Kling's own examples have the contents in this order.
    wire_order: ClassVar[tuple[str, ...]] = ()
    #: Why a key of other types does not belong to this one.
    foreign_fields: ClassVar[Mapping[str, str]] = {}
    #: Fields of this class that the type does not have, because Kling has none: ``model`` of effects.
    without: ClassVar[frozenset[str]] = frozenset()

    # Ours: never sent to Kling as such.
    name: Text | None = Field(None, min_length=1, max_length=200)
    take: Whole = Field(0, ge=0)
    adopt: Text | None = None

    type: str
    model: ModelName | None = None
    callback_url: str | None = Field(None, pattern=r"^https?://\S+$")
    external_task_id: Text | None = Field(None, max_length=128, pattern=_EXTERNAL_ID)

    @classmethod
    def field_names(cls) -> tuple[str, ...]:
        """Return the keys that a request of this type may have."""
        return _list_field_names(cls)

    # -- for people ---------------------------------------------------------------------------------------------

    @property
    def summary(self) -> Summary:
        """Return the request in a few facts for people."""
        return Summary(
            prompt=getattr(self, self.prompt_field, None),
            duration=getattr(self, "duration", None),
            resolution=getattr(self, "resolution", None),
            aspect_ratio=getattr(self, "aspect_ratio", None),
            # A field of this name is an input; what a video's sound is, a class says with a property.
            sound=None if "sound" in type(self).model_fields else getattr(self, "sound", None),
        )

    @property
    def concurrency_taken(self) -> int:
        """Return how much of the account's limit it takes: an image task as much as it makes images (Kling's concurrency page)."""
        return 1

    # -- checks -------------------------------------------------------------------------------------------------

    def find_problems(self) -> list[Problem]:
        """Find every broken rule between fields; none where the request may be sent."""
        return [
            Problem(field, None, f"must be left out: Kling has no such field for {self.type}")
            for field in sorted(self.without)
            if getattr(self, field) is not None
        ] + self._find_urls_as_ids()

    def _find_urls_as_ids(self) -> list[Problem]:
        """Find URLs where Kling's ids are meant: such a link may be signed, and would be shown as an id is."""
        found = []
        for (name, within), marker in list_result_ids(type(self)).items():
            value = getattr(self, name, None)
            items = value if isinstance(value, list) else [value]
            ids = [one if within is None else getattr(one, within, None) for one in items]
            if any(map(is_web_url, ids)):
                what = f"must be Kling's id of the {marker.output_type}; found a URL"
                found.append(Problem(name if within is None else f"{name}.{within}", None, what))
        return found

    def find_unsupported(self, design: ApiDesign) -> list[Problem]:
        """Find what ``design`` would drop silently or cannot express; such a request is not sent."""
        found = []
        for name, wire in self.find_wires().items():
            absent = wire.find_path(design) is None and wire.instead is not None
            if absent and getattr(self, name) not in (None, "", []):
                other = "legacy" if design == "standard" else "standard"
                found.append(
                    Problem(
                        name,
                        None,
                        f"must be left out: the {design} API drops it silently; {wire.instead}, "
                        f"or use a connection with api: {other}",
                    )
                )
        return found

    def find_rendered_nulls(self) -> list[Problem]:
        """Find texts that Jinja or ``str()`` writes for a missing value: ``None``, ``nan``.

        Call it after templates were rendered: such a text would be paid for as a prompt, or looked up as a task.
        """
        return [
            Problem(
                field,
                value,
                "must be a value: this is what a template writes where it has none; leave the key out there",
            )
            for field in dict.fromkeys((self.prompt_field, "negative_prompt", "adopt", "external_task_id"))
            if is_rendered_null(value := getattr(self, field, None))
        ]

    def find_warnings(self) -> list[str]:
        """Find what may be wrong and is sent all the same, as texts for people: a word that is not on an open list."""
        return []

    # -- models -------------------------------------------------------------------------------------------------

    @classmethod
    def spell_model(cls, name: str) -> str:
        """Return the name that requests of this type have for a model; an unknown name stays."""
        return name

    @classmethod
    def find_design(cls, model: str | None) -> ApiDesign | None:
        """Return the only API design that serves ``model``; ``None`` where every design that has the type does."""
        return None

    @classmethod
    def takes_external_id(cls, model: str) -> bool:
        """Tell whether ``model`` accepts ``external_task_id`` and ``callback_url``."""
        return True

    def find_successor(self) -> str | None:
        """Return the nearest other model that Kling serves now for this type; ``None`` where there is none."""
        return None

    def suggest_model(self) -> str | None:
        """Return what :meth:`find_successor` does, in every spelling, for people."""
        return self.find_successor()

    # -- on the wire --------------------------------------------------------------------------------------------

    @classmethod
    def find_wires(cls) -> dict[str, Wire]:
        """Return where each field stands in the body; the provider's own fields stand nowhere."""
        markers = (
            (name, find_marker(Wire, info.annotation, info.metadata))
            for name, info in cls.model_fields.items()
        )
        found = {name: wire for name, wire in markers if wire is not None}
        return {name: found[name] for name in (*cls.wire_order, *found)}

    def wire_value(self, field: str) -> Any:
        """Return what is sent for a field; ``None`` is not sent."""
        value = getattr(self, field)
        return None if field == self.prompt_field and not value else value

    def to_body(self, design: ApiDesign) -> dict[str, Any]:
        """Return the body of the create call, without external id and callback. Inputs must be URLs or base64."""
        body: dict[str, Any] = {}
        for name, wire in self.find_wires().items():
            path, value = wire.find_path(design), self.wire_value(name)
            if path is None or value in (None, []):
                continue
            if isinstance(value, RequestPart):
                value = value.to_wire(design)
            elif isinstance(value, list):
                value = [one.to_wire(design) if isinstance(one, RequestPart) else one for one in value]
            else:
                value = wire.convert_value(value, design)
            _set_at_path(body, path, value)
        if design == "legacy" and self.model is not None:
            body["model_name"] = self.name_model(design)
        return body

    def name_model(self, design: ApiDesign) -> str | None:
        """Return what ``design`` calls the model; ``None`` where the type has none."""
        return self.model

    # -- inputs -------------------------------------------------------------------------------------------------

    def iter_inputs(self) -> Iterator[tuple[str, str]]:
        """Yield the given inputs: dotted field (``dynamic_masks.0.mask``) and value."""
        for name, within, _ in input_fields(type(self)):
            value = getattr(self, name)
            if isinstance(value, str):
                yield name, value
            for number, one in enumerate(value if isinstance(value, list) else ()):
                if within is None:
                    yield f"{name}.{number}", one
                elif (inner := getattr(one, within)) is not None:
                    yield f"{name}.{number}.{within}", inner

    def find_media_row(self, media: Media, design: ApiDesign) -> str | None:
        """Return the row of :mod:`kling_provider.api.media_limits` that an input must keep to.

        :param media: the marker of its field.
        """
        return media.find_limits(design)

    def find_wrong_lengths(self, seconds: Mapping[str, float]) -> list[Problem]:
        """Find inputs whose length does not go with other fields of this request.

        :param seconds: how long the inputs are, by field, as far as that is known.
        """
        return []

    def with_inputs(self, values: Mapping[str, str]) -> KlingRequest:
        """Return a copy with other values for the inputs named by their dotted fields."""
        changed: dict[str, Any] = {}
        for field, value in values.items():
            name, _, rest = field.partition(".")
            if not rest:
                changed[name] = value
                continue
            number, _, within = rest.partition(".")
            items = changed.setdefault(name, list(getattr(self, name)))
            index = int(number)
            items[index] = items[index].model_copy(update={within: value}) if within else value
        return self.model_copy(update=changed) if changed else self

    # -- identity -----------------------------------------------------------------------------------------------

    def fingerprint_fields(self, inputs: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields that change the result, the same for both API designs.

        :param inputs: per dotted input field what represents it: ``sha256:…`` of its bytes, or its URL without
            signature.
        """
        names = {name for name, _, _ in input_fields(type(self))}
        fields = {
            # The bytes of a path are its own; a text is the same text in every form of Unicode.
            key: value if key in names else _normalize_value(value)
            for key, value in self.with_inputs(inputs)
            .model_dump(exclude=set(_NOT_THE_RESULT), exclude_none=True)
            .items()
        }
        for field in {self.prompt_field, "negative_prompt"}:
            if not str(fields.get(field, "")).strip():
                fields.pop(field, None)
        return fields

    def fingerprint(self, inputs: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Return :meth:`fingerprint_fields` without fields that equal the frozen defaults."""
        defaults = self.frozen_defaults
        return {
            key: value
            for key, value in self.fingerprint_fields(inputs or {}).items()
            if value not in (None, []) and not (key in defaults and defaults[key] == value)
        }


@cache
def _list_field_names(cls: type[KlingRequest]) -> tuple[str, ...]:
    return tuple(name for name in cls.model_fields if name not in cls.without)


def _set_at_path(body: dict[str, Any], path: str, value: Any) -> None:
    """Set ``value`` at a path in the notation of :class:`Wire`."""
    *parents, last = path.split(".")
    for number, parent in enumerate(parents):
        if parent.endswith("]"):
            _add_items(body, parent, ".".join((*parents[number + 1 :], last)), value)
            return
        body = body.setdefault(parent, {})
    if last.endswith("]"):
        _add_items(body, last, None, value)
    else:
        body[last] = value


def _add_items(body: dict[str, Any], array: str, within: str | None, value: Any) -> None:
    """Add ``value`` to an array: as objects of a ``type``, as a field of objects, or as it is."""
    name, kind = array.rstrip("]").split("[")
    items = body.setdefault(name, [])
    if not kind and within and not isinstance(value, list):
        if not items:
            items.append({})
        items[0][within] = value
        return
    for one in value if isinstance(value, list) else [value]:
        fields = {within: one} if within else one
        items.append({"type": kind, **fields} if kind else fields)


def _normalize_value(value: Any) -> Any:
    if isinstance(value, str):
        return normalize_text(value)
    if isinstance(value, dict):
        return {key: _normalize_value(item) for key, item in value.items()}
    return [_normalize_value(item) for item in value] if isinstance(value, list) else value
