# SPDX-License-Identifier: Apache-2.0
"""A document that a task wrote, read for a card: its facts, or why it has none."""

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
class Read(Generic[Facts]):
    """What came of reading.

    :param facts: ``None`` where nothing could be read.
    :param wrong: the fields that were left out because they are something else.
    :param why: why nothing could be read.
    :param others: further facts of a result, as texts by name.
    """

    facts: Facts | None
    wrong: tuple[str, ...] = ()
    why: str | None = None
    others: Mapping[str, str] = field(default_factory=dict)


def read_video(text: str | None) -> Read[VideoFacts]:
    """Read the ``extra`` of an asset event."""
    try:
        data = read_json(text)
        facts, wrong = read_facts(VideoFacts, data)
    except Unreadable as error:
        return Read(None, why=str(error))
    return Read(facts, tuple(wrong), others=read_other_facts(data))


def read_job(text: str | None) -> Read[JobFacts]:
    """Read the XCom ``kling``."""
    try:
        facts, wrong = read_facts(JobFacts, read_json(text))
    except Unreadable as error:
        return Read(None, why=str(error))
    return Read(facts, tuple(wrong))
