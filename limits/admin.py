"""The organisers' lists of what is blocked."""

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from limits.models import Block


@admin.register(Block)
class BlockAdmin(admin.ModelAdmin):
    """What comes from there is held, and whoever posts is told so."""

    list_display = ("__str__", "reason", "created_at", "expires_at", "is_current")
    search_fields = ("domain", "network", "reason")
    fields = ("domain", "network", "reason", "expires_at")

    @admin.display(description=_("in force"), boolean=True)
    def is_current(self, block: Block) -> bool:
        return block.expires_at > timezone.now()
