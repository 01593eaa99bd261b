from django.db import migrations

from privacy.addresses import address_tag


def subscribe(apps, schema_editor):
    """Subscribe who agreed to updates when signing, and has confirmed, before the program could mail any."""
    Signature = apps.get_model("protests", "Signature")
    Subscriber = apps.get_model("campaign", "Subscriber")
    agreed = Signature.objects.filter(updates=True, confirmed_at__isnull=False, withdrawn_at=None).exclude(email="")
    for signature in agreed.select_related("letter").order_by("consented_at").iterator():
        subscriber, new = Subscriber.objects.get_or_create(
            email_tag=signature.email_tag or address_tag(signature.email),
            defaults={
                "email": signature.email,
                "language": signature.locale,
                "consent_version": signature.consent_version,
                "consented_at": signature.consented_at,
                "confirmed_at": signature.confirmed_at,
            },
        )
        subscriber.strikes.add(signature.letter.strike_id)


class Migration(migrations.Migration):

    dependencies = [
        ("protests", "0012_tally"),
        ("campaign", "0003_subscribers"),
    ]

    operations = [migrations.RunPython(subscribe, migrations.RunPython.noop)]
