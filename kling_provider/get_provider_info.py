# SPDX-License-Identifier: Apache-2.0
"""What Airflow reads about this provider. It is read often, so it imports no more than the form's data."""

from __future__ import annotations

from typing import Any

_NAME = "Kling AI"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's parts, in the shape of Airflow's ``provider_info.schema.json``."""
    from kling_provider.hooks.connection_form import CONN_FIELDS, build_ui_field_behaviour

    behaviour = build_ui_field_behaviour()
    return {
        "package-name": "airflow-provider-kling",
        "name": _NAME,
        "description": "Videos, images, sound and speech by Kling AI (可灵), each result paid once.",
        "integrations": [
            {
                "integration-name": _NAME,
                "external-doc-url": "https://kling.ai/document-api/",
                "tags": ["service"],
            }
        ],
        "connection-types": [
            {
                "connection-type": "kling",
                "hook-class-name": "kling_provider.hooks.kling.KlingHook",
                "hook-name": "Kling",
                "ui-field-behaviour": {
                    "hidden-fields": behaviour["hidden_fields"],
                    "relabeling": behaviour["relabeling"],
                    "placeholders": behaviour["placeholders"],
                },
                "conn-fields": CONN_FIELDS,
            }
        ],
        "hooks": [{"integration-name": _NAME, "python-modules": ["kling_provider.hooks.kling"]}],
        "operators": [{"integration-name": _NAME, "python-modules": ["kling_provider.operators.kling"]}],
        "sensors": [{"integration-name": _NAME, "python-modules": ["kling_provider.sensors.kling"]}],
        "triggers": [{"integration-name": _NAME, "python-modules": ["kling_provider.triggers.kling"]}],
        "notifications": ["kling_provider.notifications.kling.KlingNotifier"],
        "extra-links": [
            "kling_provider.links.kling.KlingResultLink",
            "kling_provider.links.kling.KlingGalleryLink",
            "kling_provider.links.kling.KlingConsoleLink",
        ],
        "config": {
            "kling": {
                "description": "The gallery of results in Airflow's UI, and what the scheduler imports for tasks.",
                "options": {
                    "gallery_roots": {
                        "description": (
                            "Folders, separated by commas, below which the API server shows saved files. "
                            "Without it: ``$AIRFLOW_HOME/kling-videos``."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "/data/videos, /mnt/archive",
                        "default": None,
                    },
                    "media_hosts": {
                        "description": (
                            "Hosts, separated by commas, to which the gallery may lead for a result that is not saved, "
                            "beside those of Kling and of the connection."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "cdn.example.com, media.example.com",
                        "default": None,
                    },
                    "preload": {
                        "description": (
                            "Whether a scheduler with a LocalExecutor imports what Kling's tasks import, before it forks its "
                            "workers. Each task would import it anew otherwise."
                        ),
                        "version_added": "0.1.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    },
                },
            }
        },
        "cli": ["kling_provider.cli.commands.get_airflow_commands"],
        "task-decorators": [
            {"class-name": "kling_provider.decorators.kling.kling_task", "name": "kling"},
        ],
    }
