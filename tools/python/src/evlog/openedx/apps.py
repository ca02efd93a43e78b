"""The Django app."""

from django.apps import AppConfig


class EvlogConfig(AppConfig):
    """Begins to record, when the setting EVLOG has a path."""

    name = "evlog.openedx"
    label = "evlog_openedx"
    verbose_name = "evlog"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Checks the settings, and puts the recorder before every receiver."""
        from evlog.openedx import conf, recording

        conf.get()
        recording.install()
