from django.apps import AppConfig, apps
from django.db.models.signals import post_delete
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from parler.signals import post_translation_save

from campaign import media_files
from privacy import holding


class CampaignConfig(AppConfig):
    name = "campaign"
    verbose_name = _("Campaign")

    def ready(self) -> None:
        holding.register(self.name, import_string("campaign.persons.HOLDER"))
        post_delete.connect(media_files.remove, sender="campaign.Picture")
        # Of whatever app: also letters and funds have words in several languages.
        post_translation_save.connect(import_string("campaign.translating.note_change"))
        # parler's own signal leaves out what is deleted along with its row; one for all models would slow down purging.
        texts = import_string("parler.models.TranslatedFieldsModel")
        for model in apps.get_models():
            if issubclass(model, texts):
                post_delete.connect(import_string("campaign.translating.forget"), sender=model)
