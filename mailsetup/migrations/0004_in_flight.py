# How many mails of a profile may be on their way over one connection at once.

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('mailsetup', '0003_search'),
    ]

    operations = [
        migrations.AddField(
            model_name='smtpprofile',
            name='in_flight',
            field=models.PositiveSmallIntegerField(default=1, help_text='How many mails may be on their way over one connection before the server has answered for the first. More than 1 is faster where the server is far away and offers CHUNKING; when a connection breaks, up to that many mails are left whose fate is not known.', validators=[django.core.validators.MinValueValidator(1, 'The number of mails in flight is from 1 to 50.'), django.core.validators.MaxValueValidator(50, 'The number of mails in flight is from 1 to 50.')], verbose_name='mails in flight'),
        ),
    ]
