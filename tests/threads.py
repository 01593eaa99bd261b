"""Doing things at the same time, each in a thread with a database connection of its own."""

from concurrent.futures import ThreadPoolExecutor

from django.db import connections


def at_once(count, act):
    """Run `act(number)` in `count` threads; return what they returned. Raises what one of them raised."""

    def run(number):
        try:
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
