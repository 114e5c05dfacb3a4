"""Where Fivetran sends the source owner after the Connect Card."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@login_not_required
@require_safe
def returned(request: HttpRequest) -> HttpResponse:
    """Thank and explain. Anybody can open this address with any parameters, so nothing is read from them."""
    return render(request, "connections/handover_return.html")
