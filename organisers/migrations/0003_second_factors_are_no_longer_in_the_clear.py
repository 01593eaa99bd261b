"""
Second factors are no longer in the clear: the apps' secrets are encrypted, of recovery codes there are keyed tags.

django-otp's own table of apps is carried over and dropped. Every organiser is asked for the second factor once more.
"""

import django.db.models.deletion
import organisers.models
import privacy.fields
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models

from privacy.tags import tag

OLD_TABLE = "otp_totp_totpdevice"


def carry_apps_over(apps, schema_editor):
    connection = schema_editor.connection
    if OLD_TABLE not in connection.introspection.table_names():
        return

    class Old(models.Model):  # of no app's models
        user_id = models.IntegerField()
        name = models.CharField(max_length=64)
        confirmed = models.BooleanField()
        key = models.CharField(max_length=80)
        drift = models.SmallIntegerField()
        last_t = models.BigIntegerField()
        created_at = models.DateTimeField(null=True)
        last_used_at = models.DateTimeField(null=True)

        class Meta:
            app_label = "organisers"
            db_table = OLD_TABLE
            managed = False
            apps = Apps()

    new = apps.get_model("organisers", "CodeApp").objects
    for old in Old.objects.exclude(key="").order_by("pk").values():
        del old["id"]
        # Which creation would date today.
        made = old.pop("created_at")
        new.filter(pk=new.create(**old).pk).update(created_at=made)
    schema_editor.execute(f'DROP TABLE "{OLD_TABLE}"')


def hide_recovery_codes(apps, schema_editor):
    for row in apps.get_model("otp_static", "StaticToken").objects.select_related("device"):
        if len(row.token) < 16:  # else it is a tag: whatever stops half-way is run again
            row.token = tag("recovery code", f"{row.device.user_id}\0{row.token}")[:16]
            row.save(update_fields=["token"])


class Migration(migrations.Migration):

    dependencies = [
        ('organisers', '0002_audit'),
        ('otp_static', '0003_add_timestamps'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CodeApp',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text='The human-readable name of this device.', max_length=64)),
                ('confirmed', models.BooleanField(default=True, help_text='Is this device ready for use?')),
                ('created_at', models.DateTimeField(auto_now_add=True, help_text='The date and time when this device was initially created in the system.', null=True)),
                ('last_used_at', models.DateTimeField(blank=True, help_text='The most recent date and time this device was used.', null=True)),
                ('key', privacy.fields.EncryptedTextField(default=organisers.models.new_key, editable=False)),
                ('drift', models.SmallIntegerField(default=0, editable=False)),
                ('last_t', models.BigIntegerField(default=-1, editable=False)),
                ('user', models.ForeignKey(help_text='The user that this device belongs to.', on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'app that shows codes',
                'verbose_name_plural': 'apps that show codes',
                'constraints': [models.CheckConstraint(condition=models.Q(('key', ''), _negated=True), name='organisers_codeapp_has_a_secret')],
            },
        ),
        migrations.RunPython(carry_apps_over),
        migrations.RunPython(hide_recovery_codes),
    ]

