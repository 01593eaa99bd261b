"""How much the suite plays through: what shows a mistake in seconds, and with `THOROUGH=10` ten times as much."""

import os

import pytest
from django.db import connection

TIMES = int(os.environ.get("THOROUGH", "1"))
# What a browser shows, and how many queries Django asks, is the same on both: the suite has both to run on.
on_one_database = pytest.mark.skipif(connection.vendor != "sqlite", reason="The same on every database: once is enough")
# What shows the same as another test does, in another dress.
thorough = pytest.mark.skipif(TIMES == 1, reason="Another one is much the same: THOROUGH=2 plays it")


def examples(number):
    """Return how many examples, or rows, are tried."""
    return number * TIMES
