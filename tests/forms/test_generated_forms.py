"""Forms of every kind, by seed and number: none is answered by an error of the server, and no text leaves its place.

The quick suite sends the first ones, of each entrance many. All ten thousand, or others:
`FORMS=10000 SEED=1 .venv/bin/python -m pytest -q tests/forms/test_generated_forms.py -n 2`.
"""

import csv
import io
import os
from collections import Counter
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from connections.models import ConnectionRequest
from connections.states import Status
from tests import catalogs, factories
from tests.escaping import ATTACKS, faults, faults_of
from tests.forms import generated
from tests.forms.generated import Form

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
SEED = int(os.environ.get("SEED", "1"))
FORMS = int(os.environ.get("FORMS", "300"))
PARTS = 2  # tests, so that two processors are busy
LISTS = ("/", "/requests/", "/requests/export.csv", "/requests/export.json")
STAFF = ("/approvals/", "/admin/connections/connectionrequest/", "/admin/connections/event/", "/operations/")


class Portal:
    """Sends forms as the requester, and looks at what became of them as others do."""

    def __init__(self, as_user: Any, settings: Any) -> None:
        settings.OPEN_REQUESTS = settings.SUBMISSIONS_PER_MINUTE = 0
        catalogs.offered()
        catalogs.told()
        self.client: Client = as_user("requester", raise_request_exception=False)
        self.others: list[Client] = [as_user(name, raise_request_exception=False) for name in ("approver", "admin")]
        self.draft = factories.draft(User.objects.get(username="requester"))
        self.seen = 0

    def send(self, form: Form) -> list[str]:
        """What is wrong with the answer, and with the page of what was stored."""
        answer = self._answer(form)
        found = faults_of(answer)
        self.status = answer.status_code
        if answer.status_code == 302:
            found += faults_of(self.client.get(answer["Location"]))
        return found

    def _answer(self, form: Form) -> Any:
        fields, post = form.fields, self._post
        match form.entrance:
            case "submit" | "draft":
                return post("/requests/new/", {**fields, "action": form.entrance})
            case "pressed":
                return post("/requests/new/", fields)
            case "review" | "settings":
                return post(f"/requests/new/{'review' if form.entrance == 'review' else 'config'}/", fields)
            case "autosave":
                return post("/requests/new/draft/", {**fields, "user": str(self.draft.requester_id)})
            case "link":
                short = {name: str(value)[:4000] for name, value in fields.items()}
                return self.client.get(f"/requests/new/?{urlencode(short, errors='surrogatepass')}")
            case "edit":
                version = str(ConnectionRequest.objects.get(pk=self.draft.pk).version)
                return post(f"/requests/{self.draft.pk}/edit/", {**fields, "version": version, "action": "draft"})
            case "table":
                return post("/requests/batch/", {"table": _table(fields), "action": fields["action"]})
            case _:
                return self.client.post("/requests/new/", ascii(fields), content_type="application/json")

    def _post(self, address: str, fields: dict[str, Any]) -> Any:
        """As a browser does, or with bytes that are no UTF-8, as only an attacker does."""
        if any(isinstance(value, SimpleUploadedFile) for value in fields.values()):
            sound = {_sound(name): value for name, value in fields.items()}
            whole = {n: [*map(_sound, v)] if isinstance(v, list) else v for n, v in sound.items()}
            return self.client.post(address, {n: _sound(v) if isinstance(v, str) else v for n, v in whole.items()})
        body = urlencode(fields, doseq=True, errors="surrogatepass")
        return self.client.post(address, body, content_type="application/x-www-form-urlencoded")

    def look(self) -> list[str]:
        """What others see of all that was stored since the last look."""
        found = []
        for address in LISTS:
            found += [f"{address}: {fault}" for fault in faults_of(self.client.get(address))]
        for conn_request in ConnectionRequest.objects.filter(pk__gt=self.seen).order_by("pk")[:15]:
            pages = (f"/requests/{conn_request.pk}/", f"/admin/connections/connectionrequest/{conn_request.pk}/change/")
            for client in self.others:
                for page in pages:
                    found += [f"{page}: {fault}" for fault in faults_of(client.get(page))]
        for client in self.others:
            found += [f"{page}: {fault}" for page in STAFF for fault in faults_of(client.get(page))]
        newest = ConnectionRequest.objects.order_by("-pk").first()
        self.seen = newest.pk if newest else 0
        return found


def _sound(text: str) -> str:
    return text.encode(errors="replace").decode()


def _table(fields: dict[str, Any]) -> str:
    text = io.StringIO()
    cells = {name: str(value)[:2000] for name, value in fields.items() if name != "action"}
    csv.writer(text).writerows([cells.keys(), cells.values()])
    return text.getvalue()


@pytest.mark.parametrize("part", range(PARTS))
def test_no_form_breaks_a_page(as_user: Any, settings: Any, part: int) -> None:
    portal, wrong, answers = Portal(as_user, settings), {}, Counter[tuple[str, int]]()
    for turn, number in enumerate(range(part, FORMS, PARTS), 1):
        form = generated.form(SEED, number)
        if found := portal.send(form):
            wrong[number] = (form.entrance, found)
        answers[form.entrance, portal.status] += 1
        if turn % 100 == 0 and (found := portal.look()):
            wrong[-number] = ("look", found)
    assert wrong == {}, f"SEED={SEED}: {dict(list(wrong.items())[:8])}"
    assert {entrance for entrance, _ in answers} == set(generated.ENTRANCES)
    filed = ConnectionRequest.objects.filter(status=Status.PENDING).count()
    assert filed >= FORMS // 200 and answers["submit", 200] > filed, "both must be among them, good and bad ones"


def test_what_is_looked_for_is_found() -> None:
    """Each of these pages would be one in which a text had left its place."""
    careless = ("<p>{}</p>", '<a title="{}">', "<script>{}</script>", '<a href="{}">', "<textarea>{}</textarea>")
    for attack in ATTACKS[:10]:
        assert any(faults(page.format(attack)) for page in careless), attack
    assert faults("<p>a\u202eb</p>") and faults("<p>123445</p>") and not faults("<p>&lt;injected&gt;</p>")
    assert not faults('<input value="&quot; data-injected=&quot;1">')
