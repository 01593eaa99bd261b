"""The organisers' admin site."""

from django.contrib.admin import AdminSite
from django.utils.translation import gettext_lazy as _


class OrganisersAdminSite(AdminSite):
    site_title = _("Solidarity")
    site_header = _("Solidarity: organisers' desk")
    index_title = _("What would you like to do?")
