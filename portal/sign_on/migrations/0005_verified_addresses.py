"""The address of each account that is joined to the company's log-in becomes a row that only one account can have."""

import unicodedata
from collections import Counter
from typing import Any

from django.db import migrations


def store_addresses(apps: Any, _schema_editor: Any) -> None:
    EmailAddress = apps.get_model("account", "EmailAddress")  # noqa: N806  # a class
    linked = set(apps.get_model("socialaccount", "SocialAccount").objects.values_list("user", flat=True))
    people = apps.get_model("auth", "User").objects.exclude(email="").values_list("pk", "email")
    folded = {pk: unicodedata.normalize("NFKC", email).casefold() for pk, email in people}
    accounts, known = Counter(folded.values()), set(EmailAddress.objects.values_list("user", flat=True))
    EmailAddress.objects.bulk_create(
        EmailAddress(user_id=pk, email=address, verified=True, primary=True)
        for pk, address in folded.items()
        # Of two accounts with one address nobody can say whose it is: an administrator does, and then a log-in.
        if pk in linked - known and accounts[address] == 1 and len(address) <= 254
    )


class Migration(migrations.Migration):
    dependencies = [
        ("sign_on", "0004_directorygrant_directorylook_and_more"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("socialaccount", "0006_alter_socialaccount_extra_data"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [migrations.RunPython(store_addresses, migrations.RunPython.noop)]
