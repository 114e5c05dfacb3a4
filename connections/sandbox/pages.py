"""The pages a person sees: the start page and the Connect Card. Templates are in data/; everything is escaped."""

from html import escape
from string import Template
from typing import Any

from . import faults
from .calls import Call
from .catalog import DATA
from .wire import Answer

POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"


def html(text: str, status: int = 200, *, form_target: str = "") -> Answer:
    """`form_target` is the origin that a form's redirect may lead to."""
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": f"{POLICY} {form_target}".strip(),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return Answer(status, text.encode(), headers)


def style(call: Call) -> Answer:
    return Answer(200, (DATA / "sandbox.css").read_bytes(), {"Content-Type": "text/css; charset=utf-8"})


def start(call: Call) -> Answer:
    """What the sandbox is, its key, and the values that provoke failures, from the table that provokes them."""
    app = call.app
    statuses = {item["group_id"]: item["setup_status"] for item in app.state.items("destinations")}
    return html(
        _filled(
            "start.html",
            root=escape(app.root),
            key=escape(app.settings.key),
            secret=escape(app.settings.secret),
            faults=_rows((f"<code>{escape(fault.prefix)}</code>", escape(fault.says)) for fault in faults.FAULTS),
            groups=_rows(
                (f"<code>{group['id']}</code>", escape(group["name"]), statuses.get(group["id"], "no destination"))
                for group in app.state.items("groups")
            ),
            services=_rows(
                (
                    f"<code>{escape(item.id)}</code>",
                    escape(item.about["name"]),
                    escape(" + ".join(item.naming)),
                    ""
                    if (status := item.about["service_status"]) == "general_availability"
                    else status.replace("_", " "),
                )
                for item in app.catalog
            ),
            count=str(len(app.catalog.services)),
        )
    )


def message_page(status: int, title: str, text: str) -> Answer:
    return html(_filled("message.html", title=escape(title), text=escape(text)), status)


def dashboard(call: Call, connection_id: str) -> Answer:
    return message_page(
        200,
        f"Connection {connection_id}",
        "At Fivetran this is the page of the connection. The sandbox has no dashboard.",
    )


def card_page(call: Call, doc: dict[str, Any], fields: dict[str, dict[str, Any]], back: str) -> Answer:
    """The Connect Card's form, after a POST with the tests that did not pass; `back` is the origin of redirect_uri."""
    service = call.app.catalog.get(doc["service"])
    name = service.about["name"] if service else doc["service"]
    steps = f"<aside><h2>Setup guide</h2><p>Have a {escape(name)} account at hand that may read the data.</p></aside>"
    page = _filled(
        "card.html",
        action=escape(call.target),
        name=escape(name),
        schema=escape(doc["schema"]),
        controls="".join(_control(key, spec, doc["config"].get(key)) for key, spec in fields.items()),
        results=_results(doc.get("setup_tests", []) if call.method == "POST" else []),
        guide=steps if call.query.get("hide_setup_guide") != "true" else "",
    )
    return html(page, form_target=back)


def _control(name: str, spec: dict[str, Any], value: Any) -> str:
    key, title = escape(name), escape(spec.get("title") or name)
    if spec["type"] == "boolean":
        return f'<p><label><input type="checkbox" name="{key}" value="true"> {title}</label></p>'
    if "enum" in spec:
        options = "".join(
            f"<option{' selected' if item == value else ''}>{escape(item)}</option>" for item in spec["enum"]
        )
        return f'<p><label for="{key}">{title}</label><select id="{key}" name="{key}">{options}</select></p>'
    secret = spec.get("format") == "password"
    # A secret is never shown again.
    known = "" if secret or value is None else escape(", ".join(value) if isinstance(value, list) else str(value))
    kind = "password" if secret else "text"
    control = f'<input id="{key}" name="{key}" type="{kind}" value="{known}" autocomplete="off">'
    return f'<p><label for="{key}">{title}</label>{control}</p>'


def _results(results: list[dict[str, Any]]) -> str:
    if not results:
        return ""
    items = "".join(  # messages come from the fault table, which has HTML in some of them
        f'<li><span class="tag {escape(item["status"].lower())}">{escape(item["status"])}</span> '
        f"{escape(item['title'])} <small>{escape(item.get('message', ''))}</small></li>"
        for item in results
    )
    return f'<section role="alert"><h2>The tests did not pass</h2><ul class="tests">{items}</ul></section>'


def _rows(rows: Any) -> str:
    return "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)


def _filled(template: str, **values: str) -> str:
    return Template((DATA / template).read_text(encoding="utf-8")).substitute(values)
