"""Takes out of drafts what was kept under the name of a secret that the metadata did not mark.

Only what was never submitted is touched: the values of a submitted request are what its digest was made of.
"""

from typing import Any

from django.db import migrations
from django.db.models import F

from connections.spec.payloads import without_secrets


def strip(apps: Any, _schema_editor: Any) -> None:
    """Store each row that holds such a value without it, as a new version, so that an open form cannot bring it back."""
    requests = apps.get_model("connections", "ConnectionRequest").objects.filter(submitted_at=None)
    for pk, values in requests.values_list("pk", "values").iterator():
        if (kept := without_secrets(values)) != values:
            requests.filter(pk=pk).update(values=kept, version=F("version") + 1)


class Migration(migrations.Migration):
    """Data alone."""

    dependencies = [("connections", "0018_limits")]

    operations = [migrations.RunPython(strip, migrations.RunPython.noop)]
