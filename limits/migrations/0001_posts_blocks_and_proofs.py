import django.utils.timezone
import limits.models
import privacy.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='SpentProof',
            fields=[
                ('challenge', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('expires_at', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='Block',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('domain', models.CharField(blank=True, help_text='What stands behind the @, in small letters. Domains below it are blocked, too.', max_length=253, verbose_name='mail domain')),
                ('network', models.CharField(blank=True, help_text='192.0.2.0/24, 2001:db8::/32 or one address, as your operator knows it from the server.', max_length=49, verbose_name='network')),
                ('network_tag', privacy.fields.TagField(editable=False, max_length=64, null=True, verbose_name='fingerprint of the network')),
                ('reason', models.CharField(max_length=200, verbose_name='reason')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='blocked since')),
                ('expires_at', models.DateTimeField(default=limits.models.in_a_month, verbose_name='blocked until')),
            ],
            options={
                'verbose_name': 'blocked network or mail domain',
                'verbose_name_plural': 'blocked networks and mail domains',
                'ordering': ['-created_at'],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(models.Q(('domain', ''), _negated=True), ('network', ''), ('network_tag', None)), models.Q(('domain', ''), ('network_tag', None), models.Q(('network', ''), _negated=True)), models.Q(('domain', ''), ('network', ''), ('network_tag__isnull', False)), _connector='OR'), name='limits_block_is_of_one_thing'), models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='limits_block_has_a_reason'), models.CheckConstraint(condition=models.Q(('domain', ''), ('domain__regex', '^[^@\\sA-Z*]+$'), _connector='OR'), name='limits_block_domain_is_plain', violation_error_message='Write what stands behind the @, in small letters.')],
            },
        ),
        migrations.CreateModel(
            name='Post',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('network_tag', privacy.fields.TagField(editable=False, max_length=64, verbose_name='fingerprint of the network')),
                ('domain_tag', privacy.fields.TagField(editable=False, max_length=64, null=True, verbose_name='fingerprint of the mail domain')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'verbose_name': 'posted form',
                'verbose_name_plural': 'posted forms',
                'indexes': [models.Index(fields=['network_tag', '-created_at'], name='limits_posts_of_a_network'), models.Index(condition=models.Q(('domain_tag__isnull', False)), fields=['domain_tag', '-created_at'], name='limits_posts_of_a_domain'), models.Index(fields=['created_at'], name='limits_posts_by_age')],
            },
        ),
    ]
