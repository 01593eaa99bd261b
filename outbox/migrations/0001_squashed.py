import django.db.models.deletion
import django.utils.timezone
import outbox.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [('outbox', '0001_trial_letter_and_heartbeat'), ('outbox', '0002_deferred_since_and_held'), ('outbox', '0003_message_id_once')]

    initial = True

    dependencies = [
        ('auth', '__first__'),
    ]

    operations = [
        migrations.CreateModel(
            name='Heartbeat',
            fields=[
                ('name', models.CharField(max_length=20, primary_key=True, serialize=False)),
                ('seen_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='TrialLetter',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('queued', 'waiting to be sent'), ('sending', 'being sent'), ('accepted', "accepted by the addressee's server"), ('deferred', 'put off by the server, will be tried again'), ('bounced', "refused by the addressee's server"), ('failed', 'could not be sent'), ('in_doubt', 'in doubt: handed over, but no answer came back'), ('cancelled', 'withdrawn before it was sent')], default='queued', editable=False, max_length=10, verbose_name='state')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='written')),
                ('queued_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='queued')),
                ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='next attempt')),
                ('deferred_since', models.DateTimeField(editable=False, null=True, verbose_name='put off since')),
                ('attempts', models.PositiveSmallIntegerField(default=0, editable=False, verbose_name='attempts')),
                ('message_id', models.CharField(default=outbox.models.new_message_id, editable=False, max_length=255, verbose_name='Message-ID')),
                ('lease', models.CharField(blank=True, editable=False, max_length=32)),
                ('leased_until', models.DateTimeField(editable=False, null=True)),
                ('handing_over_at', models.DateTimeField(editable=False, null=True, verbose_name='handed over')),
                ('maybe_left_at', models.DateTimeField(editable=False, null=True, verbose_name='may have left before')),
                ('settled_at', models.DateTimeField(editable=False, null=True, verbose_name='settled')),
                ('reply_code', models.PositiveSmallIntegerField(editable=False, null=True, verbose_name='reply code')),
                ('reply', models.CharField(blank=True, editable=False, max_length=500, verbose_name='reply')),
                ('organiser', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trial_letters', to=settings.AUTH_USER_MODEL, verbose_name='organiser')),
            ],
            options={
                'verbose_name': 'trial letter',
                'verbose_name_plural': 'trial letters',
                'abstract': False,
                'indexes': [models.Index(condition=models.Q(('state__in', ('queued', 'deferred'))), fields=['next_attempt_at'], name='outbox_trialletter_due'), models.Index(condition=models.Q(('state__in', ('sending', 'in_doubt'))), fields=['id'], name='outbox_trialletter_held')],
                'constraints': [models.UniqueConstraint(fields=('message_id',), name='outbox_trialletter_message_id_once'), models.CheckConstraint(condition=models.Q(('state__in', ['queued', 'sending', 'accepted', 'deferred', 'bounced', 'failed', 'in_doubt', 'cancelled'])), name='outbox_trialletter_state_is_known'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'sending'), _negated=True), models.Q(models.Q(('lease', ''), _negated=True), ('leased_until__isnull', False)), _connector='OR'), name='outbox_trialletter_sending_has_a_lease'), models.CheckConstraint(condition=models.Q(('state__in', ('sending', 'in_doubt', 'accepted', 'bounced')), ('handing_over_at__isnull', True), _connector='OR'), name='outbox_trialletter_waiting_is_not_handed_over')],
            },
        ),
    ]
