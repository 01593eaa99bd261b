"""Pages of the admin's lists, without counting all the rows of a table."""

from functools import cached_property
from typing import Any

from django.core.paginator import Paginator

# Who looks at so many rows looks for one: the search and the filters find it, leafing through does not.
MOST_COUNTED = 10_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than MOST_COUNTED, and leafs no further either: a million rows cost no more than those."""

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[: MOST_COUNTED + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST_COUNTED)

    @property
    def more(self) -> bool:
        """Whether there are more rows than were counted."""
        return self._counted > MOST_COUNTED
