import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from privacy.registry import OURS

pytestmark = pytest.mark.django_db


def test_a_database_that_has_had_all_old_migrations_goes_on():
    call_command("migrate", verbosity=0)


def test_one_that_has_had_some_of_them_is_refused_with_a_way_on():
    applied = MigrationRecorder(connection).migration_qs
    applied.filter(app__in=OURS).exclude(app="campaign", name__in=["0001_initial", "0002_edition"]).delete()
    before = applied.count()

    with pytest.raises(CommandError, match=r"Nothing was changed.*empty one"):
        call_command("migrate", verbosity=0)
    assert applied.count() == before
