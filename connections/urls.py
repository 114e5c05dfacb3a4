"""The addresses of the product."""

from django.urls import path

from connections import health
from connections.views import accounts, catalog, webhooks
from connections.views.approvals import inbox
from connections.views.audit import export as audit_export
from connections.views.audit import mails as audit_mails
from connections.views.audit import page as audit_page
from connections.views.audit import people as audit_people
from connections.views.audit import policy as audit_policy
from connections.views.audit import rules as audit_rules
from connections.views.batches import batch_page, upload
from connections.views.changes import change_page
from connections.views.handover import connect_card, owner_pages, owners
from connections.views.history import export as export_file
from connections.views.history import history
from connections.views.home import home
from connections.views.operations import adoption, operations_page, reassignment
from connections.views.reference import create_connection
from connections.views.request_form import drafts, form
from connections.views.request_page import decision, detail, export, handover_buttons, sharing

app_name = "connections"
urlpatterns = [
    path("", home.home, name="home"),
    path("requests/", history.history, name="history"),
    path("requests/filter/", history.apply, name="filter"),
    path("requests/export.csv", export_file.export_csv, name="export_csv"),
    path("requests/export.json", export_file.export_json, name="export_json"),
    path("requests/new/", form.new, name="new"),
    path("requests/new/config/", form.config_fields, name="config_fields"),
    path("requests/new/services.json", catalog.services_json, name="services"),
    path("requests/new/review/", form.review, name="review"),
    path("requests/new/draft/", drafts.autosave, name="autosave"),
    path("requests/new/discard/", drafts.discard, name="discard_draft"),
    path("requests/<int:pk>/delete/", drafts.delete, name="delete_draft"),
    path("requests/batch/", upload.new, name="batch_new"),
    path("requests/batch/table.csv", upload.template, name="batch_template"),
    path("requests/<int:pk>/", detail.detail, name="request"),
    path("requests/<int:pk>/edit/", form.edit, name="edit"),
    path("requests/<int:pk>/clone/", form.clone, name="clone"),
    path("requests/<int:pk>/status/", detail.status, name="status"),
    path("requests/<int:pk>/withdraw/", detail.withdraw, name="withdraw"),
    path("requests/<int:pk>/share/<int:team>/", sharing.share, name="share_draft"),
    path("requests/<int:pk>/stop-sharing/", sharing.stop, name="stop_sharing"),
    path("requests/<int:pk>/approve/", decision.approve, name="approve"),
    path("requests/<int:pk>/reject/", decision.reject, name="reject"),
    path("requests/<int:pk>/request-changes/", decision.request_changes, name="request_changes"),
    path("requests/<int:pk>/run-tests/", detail.run_tests, name="run_tests"),
    path("requests/<int:pk>/test-request/", detail.test_request, name="test_request"),
    path("requests/<int:pk>/export/", export.page, name="export"),
    path("requests/<int:pk>/connection.<slug:kind>", export.download, name="export_file"),
    path("requests/<int:pk>/changes/new/", change_page.new, name="change_new"),
    path("changes/<int:pk>/", change_page.detail, name="change"),
    path("changes/<int:pk>/status/", change_page.status, name="change_status"),
    path("changes/<int:pk>/approve/", change_page.approve, name="change_approve"),
    path("changes/<int:pk>/reject/", change_page.reject, name="change_reject"),
    path("changes/<int:pk>/withdraw/", change_page.withdraw, name="change_withdraw"),
    path("requests/<int:pk>/trust/", detail.approve_trust, name="approve_trust"),
    path("catalog/", catalog.overview, name="catalog"),
    path("catalog/refresh/", catalog.refresh, name="refresh_catalog"),
    path("reference/create-connection/", create_connection.page, name="reference"),
    path("batches/<int:pk>/", batch_page.detail, name="batch"),
    path("batches/<int:pk>/decide/", batch_page.decide, name="batch_decide"),
    path("approvals/", inbox.inbox, name="approvals"),
    path("audit/", audit_page.page, name="audit"),
    path("audit/export.csv", audit_export.export_csv, name="audit_csv"),
    path("audit/export.json", audit_export.export_json, name="audit_json"),
    path("audit/mails/", audit_mails.page, name="audit_mails"),
    path("audit/access-rules/", audit_rules.page, name="audit_rules"),
    path("audit/policy/", audit_policy.page, name="audit_policy"),
    path("audit/people/", audit_people.page, name="audit_people"),
    path("operations/", operations_page.board, name="operations"),
    path("operations/adopt/", adoption.unclaimed, name="adopt_list"),
    path("operations/adopt/<str:connection_id>/", adoption.adopt, name="adopt_one"),
    path("operations/hand-over/", reassignment.page, name="reassign"),
    path("operations/pause/", operations_page.pause, name="pause"),
    path("operations/resume/", operations_page.resume, name="resume"),
    path("operations/work/<slug:name>/pause/", operations_page.pause_kind, name="pause_kind"),
    path("operations/work/<slug:name>/resume/", operations_page.resume_kind, name="resume_kind"),
    path("operations/work/<slug:name>/<int:key>/again/", operations_page.try_again, name="try_again"),
    path("operations/<int:pk>/adopt/", operations_page.adopt, name="adopt"),
    path("operations/<int:pk>/send-again/", operations_page.send_again, name="send_again"),
    path("operations/<int:pk>/hand-back/", operations_page.hand_back, name="hand_back"),
    path("operations/<int:pk>/close/", operations_page.close, name="close"),
    path("handover/return/", owner_pages.returned, name="handover_return"),
    path("webhooks/fivetran/", webhooks.fivetran, name="webhook"),
    path("handover/<str:token>/", owner_pages.show, name="handover"),
    path("handover/<str:token>/progress/", owner_pages.progress, name="handover_progress"),
    path("handover/<str:token>/send-code/", owners.send_code, name="handover_send_code"),
    path("handover/<str:token>/code/", owners.enter_code, name="handover_code"),
    path("handover/<str:token>/card/", connect_card.card, name="handover_card"),
    path("handover/<str:token>/card/again/", connect_card.card_again, name="handover_card_again"),
    path("handover/<str:token>/pass-on/", owner_pages.pass_on, name="handover_give"),
    path("requests/<int:pk>/handover/begin/", handover_buttons.begin, name="handover_begin"),
    path("requests/<int:pk>/handover/pass-on/", handover_buttons.pass_on, name="handover_pass_on"),
    path("requests/<int:pk>/handover/revoke/", handover_buttons.revoke, name="handover_revoke"),
    path("accounts/password_change/", accounts.PasswordChange.as_view(), name="password_change"),
    path("accounts/password_reset/", accounts.PasswordReset.as_view(), name="password_reset"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
