# SPDX-License-Identifier: Apache-2.0
"""The values that the gallery's filters offer."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session

from kling_provider.plugins.gallery.events import list_latest
from kling_provider.plugins.gallery.facts import read_request
from kling_provider.plugins.gallery.filters import Filters, find_kling_assets
from kling_provider.plugins.gallery.jobs import list_changed_jobs

#: As many of the latest videos, and of the latest jobs, name the models.
_SAMPLE = 1000
_JOBS = 200


def list_choices(session: Session, dag_ids: Collection[str]) -> dict[str, list[str]]:
    """Return the Dags that make anything with Kling, and the types and models of the latest results."""
    jobs = list_changed_jobs(session, Filters(dag_ids=dag_ids), _JOBS)
    dags = set(find_kling_assets(session).values()) & set(dag_ids) | {job.dag_id for job in jobs}
    asked = [(facts.type, facts.model) for facts in list_latest(session, dag_ids, _SAMPLE)]
    requests = [read_request(job.read.facts.request)[0] for job in jobs if job.read.facts]
    asked += [(request.type, request.model) for request in requests]
    types, models = {type_ for type_, _ in asked}, {model for _, model in asked}
    return {
        "dags": sorted(dags),
        "types": sorted(filter(None, types)),
        "models": sorted(filter(None, models)),
    }
