# SPDX-License-Identifier: Apache-2.0
"""Report inputs and saved files as lineage, to OpenLineage and to Airflow's own lineage collector.

The OpenLineage client is imported only when OpenLineage asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import get_hook_lineage_collector

from kling_provider.execution.log_failures import log_failures_of

if TYPE_CHECKING:
    from kling_provider.execution.outcome import TaskOutcome


def report_lineage(outcome: TaskOutcome, operator: Any) -> None:
    """Report datasets to Airflow's lineage collector, which drops them where nothing reads it."""
    collector = get_hook_lineage_collector()
    for address in outcome.input_urls:
        collector.add_input_asset(context=operator, uri=_remove_conn_id(address))
    for saved in outcome.files:
        collector.add_output_asset(context=operator, uri=_remove_conn_id(saved.file))


def describe_lineage(outcome: TaskOutcome | None) -> Any:
    """Describe a result for OpenLineage; ``None`` if there is none, or it cannot be described (which is logged)."""
    if outcome is not None:
        with log_failures_of("tell OpenLineage"):
            return _build_lineage(outcome)
    return None


def _build_lineage(outcome: TaskOutcome) -> Any:
    """Return an ``OperatorLineage``: datasets named as OpenLineage's naming rules say, and a run facet ``kling``."""
    import attr
    from airflow.providers.common.compat.openlineage.facet import (
        Dataset,
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
        RunFacet,
    )
    from airflow.providers.openlineage.extractors import OperatorLineage

    facts = outcome.to_lineage_facts()
    facet = attr.make_class(
        "KlingRunFacet", {name: attr.field(default=None) for name in facts}, bases=(RunFacet,)
    )
    inputs = []
    for address in outcome.input_urls:
        namespace, name = build_dataset_name(address)
        inputs.append(Dataset(namespace=namespace, name=name))
    outputs = []
    for saved in outcome.files:
        namespace, name = build_dataset_name(saved.file)
        statistics = OutputStatisticsOutputDatasetFacet(size=saved.output.bytes, fileCount=1)
        outputs.append(
            OutputDataset(namespace=namespace, name=name, outputFacets={"outputStatistics": statistics})
        )
    return OperatorLineage(inputs=inputs, outputs=outputs, run_facets={"kling": facet(**facts)})


def build_dataset_name(address: str) -> tuple[str, str]:
    """Build namespace and name by OpenLineage's naming rules: ``file`` and an absolute path, ``s3://bucket`` and a key.

    :param address: a path, or ``scheme://[conn@]place/rest``; queries are left out.
    """
    parts = urlsplit(_remove_conn_id(address))
    if parts.scheme in ("", "file"):
        return "file", parts.path
    key = parts.path if parts.scheme in ("http", "https") else parts.path.lstrip("/")
    return f"{parts.scheme}://{parts.netloc}", key


def _remove_conn_id(address: str) -> str:
    """Return the address without the connection id that an ``ObjectStoragePath`` carries in it; a path gains ``file://``."""
    if "://" not in address:
        return f"file://{address}"
    scheme, _, rest = address.partition("://")
    place, slash, path = rest.partition("/")
    if scheme not in ("abfs", "abfss"):  # there the part before the @ is the container
        place = place.rpartition("@")[2]
    return f"{scheme}://{place}{slash}{path}"
