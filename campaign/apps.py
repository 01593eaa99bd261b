from django.apps import AppConfig
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from parler.signals import post_translation_delete, post_translation_save


class CampaignConfig(AppConfig):
    name = "campaign"
    verbose_name = _("Campaign")

    def ready(self) -> None:
        # Of whatever app: also letters and funds have words in several languages.
        post_translation_save.connect(import_string("campaign.translating.note_change"))
        post_translation_delete.connect(import_string("campaign.translating.forget"))
