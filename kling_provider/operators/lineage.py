# SPDX-License-Identifier: Apache-2.0
"""Lineage: pictures in, files out. For OpenLineage, and for Airflow's own collector of what tasks touch.

Imported when a task runs; the OpenLineage client only when OpenLineage asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from kling_provider.operators.announcing import Made


def collect(made: Made, operator: Any) -> None:
    """Tell Airflow's lineage collector; it drops all where nothing reads it."""
    from airflow.providers.common.compat.sdk import get_hook_lineage_collector

    collector = get_hook_lineage_collector()
    for address in made.images:
        collector.add_input_asset(context=operator, uri=without_conn(address))
    for saved in made.files:
        collector.add_output_asset(context=operator, uri=without_conn(saved.file))


def openlineage_of(made: Made) -> Any:
    """An ``OperatorLineage``: datasets named as OpenLineage's naming rules say, and a run facet ``kling``."""
    import attr
    from airflow.providers.common.compat.openlineage.facet import (
        Dataset,
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
        RunFacet,
    )
    from airflow.providers.openlineage.extractors import OperatorLineage

    @attr.define
    class KlingRunFacet(RunFacet):
        """What a run had made at Kling, and what it cost."""

        kling_task_id: str | None = attr.field(default=None)
        external_task_id: str | None = attr.field(default=None)
        name: str | None = attr.field(default=None)
        type: str | None = attr.field(default=None)
        prompt: str | None = attr.field(default=None)
        model: str | None = attr.field(default=None)
        take: int | None = attr.field(default=None)
        adopted: bool | None = attr.field(default=None)
        billing: list[dict[str, Any]] = attr.field(factory=list)
        created_at: str | None = attr.field(default=None)
        finished_at: str | None = attr.field(default=None)
        expires_at: str | None = attr.field(default=None)

    inputs = []
    for address in made.images:
        namespace, name = dataset_name(address)
        inputs.append(Dataset(namespace=namespace, name=name))
    outputs = []
    for saved in made.files:
        namespace, name = dataset_name(saved.file)
        statistics = OutputStatisticsOutputDatasetFacet(size=saved.output.bytes, fileCount=1)
        outputs.append(
            OutputDataset(namespace=namespace, name=name, outputFacets={"outputStatistics": statistics})
        )
    return OperatorLineage(
        inputs=inputs, outputs=outputs, run_facets={"kling": KlingRunFacet(**dict(made.facts))}
    )


def dataset_name(address: str) -> tuple[str, str]:
    """Namespace and name by OpenLineage's naming rules: ``file`` and an absolute path, ``s3://bucket`` and a key.

    :param address: a path, or ``scheme://[conn@]place/rest``; queries are left out.
    """
    parts = urlsplit(without_conn(address))
    if parts.scheme in ("", "file"):
        return "file", parts.path
    key = parts.path if parts.scheme in ("http", "https") else parts.path.lstrip("/")
    return f"{parts.scheme}://{parts.netloc}", key


def without_conn(address: str) -> str:
    """The address without the connection id that an ``ObjectStoragePath`` carries in it; a path gains ``file://``."""
    if "://" not in address:
        return f"file://{address}"
    scheme, _, rest = address.partition("://")
    place, slash, path = rest.partition("/")
    if scheme not in ("abfs", "abfss"):  # there the part before the @ is the container
        place = place.rpartition("@")[2]
    return f"{scheme}://{place}{slash}{path}"
