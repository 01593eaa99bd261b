"""The database's own guard over the books: what is posted is never edited or deleted (privacy.triggers)."""

from pathlib import Path

from privacy.triggers import Triggers

BOOKS = Triggers(
    "donations",
    "what is posted is never edited or deleted, only reversed",
    folder=Path(__file__).parent,
    # The tables whose rows change in a few ordered steps, and the one that triggers write: the files say which.
    others=frozenset({"donations_bankaccount", "donations_collectionsheet", "donations_openline"}),
)
create, drop, missing, tables = BOOKS.create, BOOKS.drop, BOOKS.missing, BOOKS.tables
