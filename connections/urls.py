"""The addresses of the product."""

from django.urls import path

from connections import health
from connections.views import (
    approvals,
    batches,
    catalog,
    drafts,
    filing,
    fragments,
    handover,
    history,
    home,
    operations,
    requests,
    tables,
)

app_name = "connections"
urlpatterns = [
    path("", home.home, name="home"),
    path("requests/", history.history, name="history"),
    path("requests/export.csv", history.export_csv, name="export_csv"),
    path("requests/export.json", history.export_json, name="export_json"),
    path("requests/new/", filing.new, name="new"),
    path("requests/new/config/", filing.config_fields, name="config_fields"),
    path("requests/new/services.json", catalog.services_json, name="services"),
    path("requests/new/review/", filing.review, name="review"),
    path("requests/new/draft/", drafts.autosave, name="autosave"),
    path("requests/new/discard/", drafts.discard, name="discard_draft"),
    path("requests/<int:pk>/delete/", drafts.delete, name="delete_draft"),
    path("requests/batch/", tables.new, name="batch_new"),
    path("requests/batch/table.csv", tables.template, name="batch_template"),
    path("requests/<int:pk>/", requests.detail, name="request"),
    path("requests/<int:pk>/edit/", filing.edit, name="edit"),
    path("requests/<int:pk>/clone/", filing.clone, name="clone"),
    path("requests/<int:pk>/status/", fragments.status, name="status"),
    path("requests/<int:pk>/withdraw/", requests.withdraw, name="withdraw"),
    path("requests/<int:pk>/approve/", approvals.approve, name="approve"),
    path("requests/<int:pk>/reject/", approvals.reject, name="reject"),
    path("requests/<int:pk>/request-changes/", approvals.request_changes, name="request_changes"),
    path("requests/<int:pk>/run-tests/", requests.run_tests, name="run_tests"),
    path("catalog/", catalog.overview, name="catalog"),
    path("catalog/refresh/", catalog.refresh, name="refresh_catalog"),
    path("batches/<int:pk>/", batches.detail, name="batch"),
    path("batches/<int:pk>/decide/", batches.decide, name="batch_decide"),
    path("approvals/", approvals.inbox, name="approvals"),
    path("operations/", operations.board, name="operations"),
    path("operations/pause/", operations.pause, name="pause"),
    path("operations/resume/", operations.resume, name="resume"),
    path("operations/<int:pk>/adopt/", operations.adopt, name="adopt"),
    path("operations/<int:pk>/send-again/", operations.send_again, name="send_again"),
    path("operations/<int:pk>/close/", operations.close, name="close"),
    path("handover/return/", handover.returned, name="handover_return"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
