# SPDX-License-Identifier: Apache-2.0
"""Makes the users in a FAB database, as an administrator would do it in the Security menu: a program of its own.

``root`` is an administrator. ``ann`` may look at what a viewer may, but at three DAGs only.
"""

from __future__ import annotations

import sys

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

# FAB gives "Plugins" to its role Op and above; without it Airflow's UI shows no plugin's pages.
_MAY_READ = ("Plugins", "DAG:ann_clips", "DAG:ann_others", "DAG:ann_kinds")


def main(password: str) -> None:
    with get_application_builder() as builder:
        security = builder.sm
        security.sync_roles()
        ann = security.add_role("Ann")
        for permission in security.find_role("Viewer").permissions:
            if permission.resource.name != "DAGs":  # that would be all of them
                security.add_permission_to_role(ann, permission)
        for resource in _MAY_READ:
            security.add_permission_to_role(ann, security.create_permission("can_read", resource))
        for name, role in (("root", security.find_role("Admin")), ("ann", ann)):
            security.add_user(name, name, "Test", f"{name}@example.com", role, password=password)


if __name__ == "__main__":
    main(sys.argv[1])
