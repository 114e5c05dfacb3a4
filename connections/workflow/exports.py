"""What leaves the portal as a file is on record before it leaves."""

from django.contrib.auth.models import User

from connections.models import About, ConnectionRequest, Event, EventKind


def record_export(*, by: User, about: ConnectionRequest | About, form: str, rows: int = 1, filters: str = "") -> None:
    """`form` is what the file is written in, `filters` the query string that chose the rows."""
    detail = {"format": form, "rows": rows} | ({"filters": filters} if filters else {})
    Event.objects.record(EventKind.EXPORTED, by=by, about=about, detail=detail)
