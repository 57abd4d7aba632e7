# The outbox and the mail log.

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('mailsetup', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=220, unique=True)),
                ('holder', models.CharField(max_length=200)),
                ('until', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'lease',
            },
        ),
        migrations.AddField(
            model_name='profilestate',
            name='failures',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='profilestate',
            name='held_reason',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='profilestate',
            name='held_until',
            field=models.DateTimeField(null=True, verbose_name='held until'),
        ),
        migrations.AddField(
            model_name='profilestate',
            name='login_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='profilestate',
            name='login_settings',
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='profilestate',
            name='refusals',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='profilestate',
            name='stopped_at',
            field=models.DateTimeField(null=True, verbose_name='stopped'),
        ),
        migrations.AddField(
            model_name='profilestate',
            name='stopped_reason',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='profilestate',
            name='kept_settings',
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='smtpprofile',
            name='log',
            field=models.CharField(choices=[('off', 'Nothing, once the mail is sent'), ('envelope', 'Who, when, subject and result; the content is deleted when sent'), ('content', 'The content too, encrypted')], default='envelope', max_length=10, verbose_name='mail log'),
        ),
        migrations.AddField(
            model_name='smtpprofile',
            name='on_ambiguous',
            field=models.CharField(choices=[('hold', 'Keep it and show it'), ('resend', 'Send it again; it may arrive twice')], default='hold', help_text='The connection broke after the whole mail had left and before the server answered. Mails sent at once are always kept.', max_length=10, verbose_name='mail whose fate is not known'),
        ),
        migrations.AddField(
            model_name='smtpprofile',
            name='sending',
            field=models.CharField(choices=[('at_once', 'At once: the page waits until the server has the mail'), ('background', 'In the background: pages do not wait; failures are retried')], default='at_once', max_length=10, verbose_name='sending'),
        ),
        migrations.CreateModel(
            name='Message',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('queued', 'waiting'), ('sending', 'being sent'), ('sent', 'sent'), ('failed', 'failed'), ('ambiguous', 'not known'), ('set_aside', 'set aside'), ('canceled', 'canceled'), ('expired', 'expired'), ('dropped', 'not sent on purpose')], max_length=10, verbose_name='state')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='created')),
                ('settled_at', models.DateTimeField(null=True, verbose_name='settled')),
                ('background', models.BooleanField(default=False, verbose_name='in the background')),
                ('requested', models.CharField(blank=True, max_length=50)),
                ('alias', models.CharField(blank=True, max_length=100)),
                ('profile', models.CharField(blank=True, max_length=50, verbose_name='profile')),
                ('priority', models.PositiveSmallIntegerField(choices=[(10, 'high'), (20, 'normal'), (30, 'bulk')], default=20, verbose_name='priority')),
                ('due_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='next attempt')),
                ('expires_at', models.DateTimeField(null=True, verbose_name='expires')),
                ('idempotency_key', models.CharField(max_length=200, null=True)),
                ('app', models.CharField(blank=True, max_length=100, verbose_name='app')),
                ('caller', models.CharField(blank=True, max_length=250, verbose_name='caller')),
                ('message_id', models.CharField(blank=True, max_length=255, verbose_name='Message-ID')),
                ('from_email', models.CharField(blank=True, max_length=400, verbose_name='from')),
                ('recipients', models.JSONField(default=list, verbose_name='recipients')),
                ('remaining', models.JSONField(null=True)),
                ('delivered', models.BooleanField(default=False)),
                ('subject', models.CharField(blank=True, max_length=500, verbose_name='subject')),
                ('size', models.PositiveIntegerField(default=0, verbose_name='size')),
                ('search', models.TextField(blank=True)),
                ('attempts_made', models.PositiveIntegerField(default=0, verbose_name='attempts')),
                ('reason', models.TextField(blank=True, verbose_name='reason')),
                ('needs_attention', models.BooleanField(default=False)),
                ('reports_failure', models.BooleanField(default=False)),
                ('resent_from', models.BigIntegerField(null=True)),
                ('claim', models.UUIDField(null=True)),
                ('claimed_until', models.DateTimeField(null=True)),
                ('worker', models.CharField(blank=True, max_length=200)),
                ('leaving', models.BooleanField(default=False)),
                ('crashes', models.PositiveSmallIntegerField(default=0)),
                ('suspect', models.BooleanField(default=False)),
                ('log', models.CharField(choices=[('off', 'Nothing, once the mail is sent'), ('envelope', 'Who, when, subject and result; the content is deleted when sent'), ('content', 'The content too, encrypted')], default='envelope', max_length=10)),
                ('content', models.BinaryField(null=True)),
                ('content_file', models.CharField(blank=True, max_length=200)),
                ('recipe', models.JSONField(default=dict)),
            ],
            options={
                'verbose_name': 'message',
                'verbose_name_plural': 'mail log',
                'ordering': ['-id'],
                'permissions': [('preview_message', 'Can read the text of mails, links and codes hidden'), ('reveal_message', 'Can read mails whole, links and codes included'), ('resend_message', 'Can send mails again, now, or cancel them'), ('export_message', 'Can export the mail log and mails'), ('purge_message', 'Can delete old entries of the mail log')],
                'indexes': [models.Index(condition=models.Q(('state', 'queued')), fields=['requested', 'priority', 'due_at'], name='mailsetup_message_due'), models.Index(condition=models.Q(('state', 'sending')), fields=['claim'], name='mailsetup_message_claim'), models.Index(condition=models.Q(('needs_attention', True)), fields=['-id'], name='mailsetup_message_trouble'), models.Index(condition=models.Q(('resent_from__isnull', False)), fields=['resent_from'], name='mailsetup_message_resent'), models.Index(fields=['state', '-id'], name='mailsetup_message_state'), models.Index(fields=['profile', '-id'], name='mailsetup_message_profile'), models.Index(fields=['app', '-id'], name='mailsetup_message_app'), models.Index(fields=['created_at'], name='mailsetup_message_created')],
                'constraints': [models.UniqueConstraint(fields=('idempotency_key',), name='mailsetup_message_key')],
            },
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('seconds', models.FloatField(default=0.0)),
                ('profile', models.CharField(blank=True, max_length=50)),
                ('server', models.CharField(blank=True, max_length=270)),
                ('stage', models.CharField(blank=True, max_length=12)),
                ('outcome', models.CharField(blank=True, max_length=20)),
                ('code', models.PositiveSmallIntegerField(null=True)),
                ('enhanced_code', models.CharField(blank=True, max_length=12)),
                ('reply', models.TextField(blank=True)),
                ('error', models.TextField(blank=True)),
                ('cause', models.CharField(blank=True, max_length=60)),
                ('accepted', models.JSONField(default=list)),
                ('refused', models.JSONField(default=list)),
                ('message', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='attempts', to='mailsetup.message')),
            ],
            options={
                'verbose_name': 'attempt',
                'verbose_name_plural': 'attempts',
                'ordering': ['number', 'id'],
            },
        ),
    ]
