"""The reference of `POST /v1/connections`: every field, and beside it the settings of a request or of an example."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from connections import catalog, permissions
from connections.models import ConnectionRequest
from connections.spec import export, payloads, reference, reference_call
from connections.spec.fields import NAMING, OF_THE_SERVICE, Field
from connections.spec.reference import Group
from connections.views.reference.of_service import naming_of, of_service
from connections.views.reference.rows import Controls, Section, sections_of
from connections.views.request_form import prefill
from connections.views.request_page import queries
from connections.views.request_page.export import body_of

_LONGEST = 200  # characters of what is searched for
_CALL = {
    "method": reference_call.METHOD,
    "path": reference_call.PATH,
    "headers": reference_call.HEADERS,
}


@dataclass(frozen=True)
class Chosen:
    """The service that the page is about; `words` say what is not known of it, or why nobody can ask for it."""

    id: str = ""
    name: str = ""
    words: str = ""
    group: Group = reference.of_any_service()
    naming: tuple[Field, ...] = (NAMING["config.schema"],)


@dataclass(frozen=True)
class Beside:
    """The settings of the call that stand beside the fields: of `row`, or of an example."""

    row: ConnectionRequest | None
    body: dict[str, Any]
    whole: str = ""  # what the portal would send for the example

    @property
    def address(self) -> str:
        return f"{settings.FIVETRAN_BASE_URL}{reference_call.PATH}"

    @property
    def text(self) -> str:
        return export.as_json(self.body)

    def of(self, chosen: Chosen) -> dict[str, Any]:
        """What the body says of the fields on the page: those of another service mean something else."""
        same = self.row is not None and self.row.service == chosen.id
        return {key: value for key, value in self.body.items() if same or key not in OF_THE_SERVICE}


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    by = queries.reader(request)
    wanted = request.GET.get("request", "")
    row = queries.find(by, prefill.number(wanted)) if wanted else None
    listed = catalog.every_service()
    chosen = chosen_of(request.GET.get("service", row.service if row else "")[:_LONGEST], listed)
    beside = beside_of(row, chosen)
    words = request.GET.get("q", "")[:_LONGEST].strip()
    edited = row if row and permissions.can_edit(by, row) else None
    controls = Controls(chosen.id, edited, asks=not permissions.reads_only(by))
    sections = list(sections_of(groups_of(chosen, beside), words, controls))
    found = {"sections": sections, "words": words, "found": found_words(sections, words)}
    context = {"chosen": chosen, "beside": beside, "services": [one.service for one in listed], **found, **_CALL}
    return render(request, "connections/reference/create_connection.html", context)


def groups_of(chosen: Chosen, beside: Beside) -> Iterator[Group]:
    body = (*reference.of_body(), chosen.group)
    yield reference_call.of_headers()
    yield from reference.marked(body, beside.of(chosen)) if beside.row else body
    yield reference.of_the_portal()
    yield reference_call.of_answers()


def chosen_of(service: str, listed: Iterable[catalog.Listed]) -> Chosen:
    if not service:
        return Chosen()
    known = next((one for one in listed if one.service.id == service), None)
    if known is None:
        return Chosen(words=f"As far as the portal knows, Fivetran offers no service “{service}”.")
    name, detail = known.service.name, catalog.metadata_of(service)
    if catalog.service_config_of(detail) is None:
        words = f"Fivetran has not told the portal yet which settings {name} takes."
        return Chosen(service, name, words)
    naming = naming_of(service, detail)
    return Chosen(service, name, known.refusal, of_service(service, name, detail), naming.fields)


def beside_of(row: ConnectionRequest | None, chosen: Chosen) -> Beside:
    if row is not None:
        return Beside(row, body_of(row))
    values = reference.example_values(chosen.id, chosen.naming)
    return Beside(None, payloads.nested(values), export.as_json(payloads.build_body(values)))


def found_words(sections: Iterable[Section], words: str) -> str:
    rows = [row for section in sections for row in section.rows]
    shown = sum(not row.hidden for row in rows)
    if not words:
        return f"{len(rows)} entries"
    return f"{shown} of {len(rows)} entries" if shown else f"None of {len(rows)} entries has this. Try another word."
