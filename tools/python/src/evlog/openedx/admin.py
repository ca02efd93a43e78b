"""The admin page: the outbox, and beside it the logs, their consumers and what is parked."""

from __future__ import annotations

from typing import Any, Optional

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from evlog.openedx import outbox, status
from evlog.openedx.models import OutboxEvent


@admin.register(OutboxEvent)
class OutboxEventAdmin(admin.ModelAdmin):
    """Reads; but for `Try again`, it changes nothing."""

    list_display = ("id", "event_type", "event_id", "time", "created", "log_path", "error")
    list_filter = ("event_type", "log_path")
    change_list_template = "admin/evlog_openedx/outboxevent/change_list.html"
    actions = ("try_again",)

    @admin.action(description="Try again what the log has refused", permissions=["view"])
    def try_again(self, request: HttpRequest, rows: Any) -> None:
        """They are moved now, or after the request's transaction."""
        rows.update(error="")
        outbox.drain_after_commit()
        self.message_user(request, "They are tried again.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come from events only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Optional[Any] = None) -> bool:
        """What was sent is not changed."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Optional[Any] = None) -> bool:
        """An event is lost with its row."""
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: Optional[dict[str, Any]] = None
    ) -> HttpResponse:
        """The list, with the state of everything above it."""
        found = status.everything()
        found.setdefault("outbox", status.of_outbox())
        return super().changelist_view(request, {**(extra_context or {}), "evlog": found})
