from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models.signals import m2m_changed, post_init, post_save
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _


class OrganisersConfig(AppConfig):
    name = "organisers"
    verbose_name = _("The organisers' door")

    def ready(self) -> None:
        user_logged_in.connect(import_string("organisers.sessions.begin"))
        user_logged_out.connect(import_string("organisers.sessions.left"))
        post_save.connect(import_string("organisers.auditing.on_saved"))
        m2m_changed.connect(import_string("organisers.auditing.on_related"))
        post_init.connect(import_string("organisers.auditing.without_names"), sender="admin.LogEntry")
        import_string("organisers.triggers.AUDIT").connect(self)
