# SPDX-License-Identifier: Apache-2.0
"""The filters of the gallery, and the SQL that both of its lists are made of.

What tasks wrote is read in SQL as text. A database refuses a whole query for one document that it cannot decode (a
zero character, half a surrogate pair, a thousand brackets), and reads an id out of text ten times as fast.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from urllib.parse import unquote

from airflow.models.asset import AssetModel
from sqlalchemy import ColumnElement, Text, case, cast, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from kling_provider.api.catalog import DEFAULT_TYPE
from kling_provider.plugins.gallery.facts import LARGEST

#: What a card's ``state`` may be.
State = Literal[
    "waiting_for_concurrency",
    "rendering",
    "fetching",
    "retrying",
    "done",
    "failed",
    "uncollected",
    "unreadable",
]
STATES = get_args(State)


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The filters of a page; ``None`` does not filter.

    :param dag_ids: the Dags that the user may read.
    :param after: no earlier than this (when it was finished, or when its state was told last).
    :param before: earlier than this.
    """

    dag_ids: Collection[str]
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    state: str | None = None
    type: str | None = None
    model: str | None = None
    text: str | None = None
    after: datetime | None = None
    before: datetime | None = None

    @property
    def readable_dag_ids(self) -> list[str]:
        """Return the Dags to look at: those that the user may read, or the one that is filtered for."""
        if self.dag_id is None:
            return list(self.dag_ids)
        return [self.dag_id] if self.dag_id in self.dag_ids else []

    def has_words(self) -> bool:
        """Say whether the filters need the request of a result, and not only its task instance."""
        return bool(self.text or self.model or self.type)

    def is_match(self, *, name: str | None, prompt: str | None, model: str | None, type: str | None) -> bool:
        """Say whether a result with that name, prompt, model and type is wanted; without a type it is of the default one."""
        if self.model and model != self.model:
            return False
        if self.type and (type or DEFAULT_TYPE) != self.type:
            return False
        wanted = (self.text or "").lower()
        return not wanted or wanted in (prompt or "").lower() or wanted in (name or "").lower()

    def is_of_instance(self, run_id: Any, task_id: Any, map_index: Any) -> bool:
        """Say whether a video of that task instance is wanted."""
        return all(
            wanted is None or wanted == found
            for wanted, found in ((self.run_id, run_id), (self.task_id, task_id), (self.map_index, map_index))
        )

    def narrow_documents(self, written: ColumnElement[str]) -> list[ColumnElement[bool]]:
        """Return SQL conditions that every wanted document fulfils, and few others; :meth:`is_match` decides.

        :param written: the document as text.
        """
        conditions: list[ColumnElement[bool]] = []
        if self.model:
            conditions.append(written.contains(json.dumps(self.model), autoescape=True))
        if self.type and self.type != DEFAULT_TYPE:
            conditions.append(written.contains(json.dumps(self.type), autoescape=True))
        if self.text:
            conditions.append(_match_words(written, self.text))
        return conditions


class key_of(FunctionElement[str]):
    """The text under a top-level key of a JSON column; NULL or empty if there is none.

    It never raises, whatever the column holds.
    """

    inherit_cache = True
    type = Text()

    def __init__(self, column: Any, key: str) -> None:
        self.key = key
        super().__init__(column)


@compiles(key_of)
def _by_json(element: key_of, compiler: Any, **options: Any) -> str:
    [column] = element.clauses
    return str(compiler.process(column[element.key].as_string(), **options))


@compiles(key_of, "sqlite")
def _by_searching(element: key_of, compiler: Any, **options: Any) -> str:
    [column] = element.clauses
    text, mark = compiler.process(column, **options), f'"{element.key}": "'
    rest = f"substr({text}, instr({text}, '{mark}') + {len(mark)})"
    return (
        f"CASE WHEN instr({text}, '{mark}') > 0 THEN substr({rest}, 1, instr({rest}, '\"') - 1) ELSE '' END"
    )


@compiles(key_of, "postgresql")
def _by_splitting(element: key_of, compiler: Any, **options: Any) -> str:
    [column] = element.clauses
    if isinstance(
        column.type.dialect_impl(compiler.dialect), JSONB
    ):  # it takes no such text, and is quicker itself
        return _by_json(element, compiler, **options)
    text = f"CAST({compiler.process(column, **options)} AS TEXT)"
    return f"split_part(split_part({text}, '\"{element.key}\": \"', 2), '\"', 1)"


def has_id(key: ColumnElement[str]) -> ColumnElement[bool]:
    """Build the condition that a text of :class:`key_of` is an id; a template that found nothing writes ``None`` as one."""
    return key.not_in(("", "None", "null"))


def cast_to_text(column: Any) -> ColumnElement[str]:
    """Cast a JSON column to text."""
    return cast(column, Text)


def cast_bounded_text(column: Any) -> ColumnElement[str | None]:
    """Cast a JSON column to text, or to NULL if it is longer than any document of this provider."""
    text = cast(column, Text)
    return case((func.length(text) <= LARGEST, text))


def find_kling_assets(session: Session) -> dict[int, str]:
    """Return the assets of this provider, as ids of Dags by id of the asset; a session queries them once."""
    known: dict[int, str] | None = session.info.get("kling_assets")
    if known is None:
        query = select(AssetModel.id, AssetModel.name)
        rows = session.execute(query.where(AssetModel.name.startswith("kling://", autoescape=True)))
        known = {asset: unquote(name.removeprefix("kling://").partition("/")[0]) for asset, name in rows}
        session.info["kling_assets"] = known
    return known


def list_asset_ids(session: Session, dag_id: str | None) -> list[int]:
    """Return the ids of the assets of this provider, of all Dags or of one."""
    return [asset for asset, owner in find_kling_assets(session).items() if dag_id in (None, owner)]


def _match_words(text: ColumnElement[str], words: str) -> ColumnElement[bool]:
    """Build the condition that a document mentions words, as they are or as JSON escapes them.

    Escaped letters cannot be compared without regard to case in SQL, so their usual cases are tried.
    """
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "\n" for c in words)
    run = max(plain.split("\n"), key=len)
    if run == words or len(run.strip()) >= 3:
        return func.lower(text).contains(run.lower(), autoescape=True)
    cases = {words, words.lower(), words.upper(), words.title()}
    spellings = cases | {json.dumps(one)[1:-1] for one in cases}
    return or_(*(text.contains(spelling, autoescape=True) for spelling in sorted(spellings)))
