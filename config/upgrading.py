"""What a database must be like for its migrations to go on."""

from typing import Any

from django.core.management.base import CommandError
from django.db import connections
from django.db.migrations.loader import MigrationLoader


def refuse_half_way(sender: Any, using: str, **kwargs: Any) -> None:
    """
    Raise CommandError, before anything changes, where a database has had some of the migrations that one now replaces.

    Of such a one Django knows neither the old way on nor the new one.
    """
    loader = MigrationLoader(connections[using])
    for (app, name), migration in loader.replacements.items():
        had = [replaced in loader.applied_migrations for replaced in migration.replaces]
        if name == "0001_squashed" and any(had) and not all(had):
            raise CommandError(
                f"This database is of a trial before the first release, and {app} has changed since in a way that it "
                "cannot follow. Nothing was changed. Begin with an empty one (another VAR_DIR or DATABASE_URL); "
                "`manage.py export_campaign` of the old program and `load_campaign` bring the campaign over."
            )
