"""The outbox's table."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="OutboxEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("log_path", models.TextField(help_text="The log that it goes to.")),
                (
                    "after_seq",
                    models.BigIntegerField(
                        help_text="The last seq of that log when the row was written: the event cannot be before."
                    ),
                ),
                ("event_id", models.UUIDField()),
                ("event_type", models.CharField(max_length=255)),
                ("minorversion", models.IntegerField()),
                ("time", models.DateTimeField()),
                ("source", models.CharField(max_length=255)),
                ("sourcehost", models.CharField(max_length=255)),
                ("sourcelib", models.CharField(max_length=255)),
                (
                    "schema",
                    models.TextField(
                        help_text="Avro's, that the data are under; empty: MessagePack without one."
                    ),
                ),
                ("data", models.BinaryField()),
                ("created", models.DateTimeField(auto_now_add=True)),
                (
                    "error",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="Why the log does not take it; empty: it waits to be moved.",
                    ),
                ),
            ],
            options={
                "verbose_name": "event in the outbox",
                "verbose_name_plural": "events in the outbox",
                "ordering": ("id",),
            },
        ),
    ]
