# SPDX-License-Identifier: Apache-2.0
"""Read the documents that tasks wrote, for cards: their facts, or why they have none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from kling_provider.plugins.gallery.facts import (
    JobFacts,
    Unreadable,
    VideoFacts,
    read_facts,
    read_json,
    read_other_facts,
)

Facts = TypeVar("Facts")


@dataclass(frozen=True)
class ParsedDocument(Generic[Facts]):
    """The result of reading a document.

    :param facts: ``None`` where nothing could be read.
    :param wrong: the fields that were left out because they do not parse.
    :param why: why nothing could be read.
    :param others: further facts of a result, as texts by name.
    """

    facts: Facts | None
    wrong: tuple[str, ...] = ()
    why: str | None = None
    others: Mapping[str, str] = field(default_factory=dict)


def read_video(text: str | None) -> ParsedDocument[VideoFacts]:
    """Read the ``extra`` of a video's asset event; a document that cannot be read has a ``why``."""
    try:
        data = read_json(text)
        facts, wrong = read_facts(VideoFacts, data)
    except Unreadable as error:
        return ParsedDocument(None, why=str(error))
    return ParsedDocument(facts, tuple(wrong), others=read_other_facts(data))


def read_job(text: str | None) -> ParsedDocument[JobFacts]:
    """Read the XCom ``kling``; a document that cannot be read has a ``why``."""
    try:
        facts, wrong = read_facts(JobFacts, read_json(text))
    except Unreadable as error:
        return ParsedDocument(None, why=str(error))
    return ParsedDocument(facts, tuple(wrong))
