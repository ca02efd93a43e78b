"""Django's settings for the tests, and for the processes that they start. EVLOG_TEST_DIR has the files."""

import json
import os

HOME = os.environ["EVLOG_TEST_DIR"]
SECRET_KEY = "not secret"
USE_TZ = True
DEBUG = False
ALLOWED_HOSTS = ["*"]
DATABASES = json.loads(
    os.environ.get("EVLOG_TEST_DATABASES")
    or json.dumps(
        {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": f"{HOME}/db.sqlite3",
                "OPTIONS": {"timeout": 30},
            }
        }
    )
)
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.admin",
    "openedx_events",
    "evlog.openedx",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
EVENTS_SERVICE_NAME = "lms"

EVLOG = {
    "path": f"{HOME}/lms",
    "bus_path": f"{HOME}/bus",
    "durable": False,
    **json.loads(os.environ.get("EVLOG_TEST_SETTING", "{}")),
}
EVENT_BUS_PRODUCER = "evlog.openedx.create_producer"
EVENT_BUS_CONSUMER = "evlog.openedx.EvlogConsumer"
EVENT_BUS_TOPIC_PREFIX = "stage"
EVENT_BUS_PRODUCER_CONFIG = json.loads(os.environ.get("EVLOG_TEST_PRODUCER_CONFIG", "{}"))
LOGGING = {
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"evlog.openedx": {"handlers": ["console"], "level": "INFO"}},
}
