"""Fivetran's webhooks: it reports that something changed at a connection."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.csrf import csrf_exempt

from connections import workflow

LARGEST = 64 * 1024  # bytes; Fivetran's own bodies have some 400


@csrf_exempt  # another machine has no session; the signature is what proves that it is Fivetran
@login_not_required
def fivetran(request: HttpRequest) -> HttpResponse:
    # A repeated delivery is answered like a new one. Whatever is not signed gets a 403 without a word of why.
    if not settings.FIVETRAN_WEBHOOK_SECRET:
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        return HttpResponse(status=413)
    try:
        workflow.take_webhook(body=body, signature=request.headers.get("X-Fivetran-Signature-256", ""))
    except workflow.Forged:
        return HttpResponse(status=403)
    except workflow.Unusable:
        return HttpResponse(status=400)
    return HttpResponse()
