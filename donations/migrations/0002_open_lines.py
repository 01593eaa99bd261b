import django.db.models.deletion
from django.db import migrations, models

# By the books: of which something is left to be said, and which are not reversed. From now on triggers keep it.
FILL = """
INSERT INTO donations_openline (transaction_id)
SELECT line.id FROM donations_transaction AS line
WHERE line.reverses_id IS NULL
AND NOT EXISTS (SELECT 1 FROM donations_transaction AS later WHERE later.reverses_id = line.id)
AND line.amount_minor <> (
    SELECT COALESCE(SUM(amount_minor), 0) FROM donations_allocation WHERE transaction_id = line.id
)
"""


class Migration(migrations.Migration):
    dependencies = [("donations", "0001_squashed")]

    operations = [
        migrations.CreateModel(
            name="OpenLine",
            fields=[
                (
                    "transaction",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="open_line",
                        serialize=False,
                        to="donations.transaction",
                        verbose_name="transaction",
                    ),
                ),
            ],
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name='accountnotice',
            index=models.Index(condition=models.Q(('state', 'deferred'), ('state', 'bounced'), ('state', 'failed'), ('state', 'in_doubt'), ('state', 'cancelled'), _connector='OR'), fields=['state', 'id'], name='donations_accountnotice_few'),
        ),
        migrations.AddIndex(
            model_name='pledge',
            index=models.Index(condition=models.Q(('confirmed_at__isnull', False), ('withdrawn_at', None)), fields=['fund', 'amount_minor', 'id'], name='donations_pledge_by_amount'),
        ),
        migrations.AddIndex(
            model_name='pledgemail',
            index=models.Index(condition=models.Q(('state', 'deferred'), ('state', 'bounced'), ('state', 'failed'), ('state', 'in_doubt'), ('state', 'cancelled'), _connector='OR'), fields=['state', 'id'], name='donations_pledgemail_few'),
        ),
    ]
