"""Approving what Fivetran asks to trust: a certificate or an SSH fingerprint, exactly as it was shown."""

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from connections import limits, permissions, tasks
from connections.models import (
    Connection,
    ConnectionRequest,
    Event,
    EventKind,
    SetupTestRun,
    StaleRow,
    Trust,
    TrustState,
    move,
    store_turn,
)
from connections.models.connection import FINE
from connections.spec import trust_candidates
from connections.states import Actor
from connections.workflow.decisions import seen

_CHANGED = "What Fivetran asks to trust has changed since you looked, so nothing was approved. Please look again."


def approve_trust(
    *, by: User, conn_request: ConnectionRequest, kind: trust_candidates.TrustKind, hash: str, shown: str
) -> None:
    """Approve the candidate with this kind and hash if it still is, byte for byte, what was `shown`, its digest. Raises
    StaleRow.
    """
    permissions.check_standing(by)
    with transaction.atomic():
        by = permissions.as_stored(by, conn_request)
        permissions.check_can_trust(by, conn_request)
        limits.check_action(by, limits.TRUSTED)
        run = SetupTestRun.objects.filter(connection__request=conn_request).first()
        found = _standing(run, kind, hash, shown)
        if run is None or found is None:
            raise StaleRow(_CHANGED)
        actor = Actor.APPROVER if permissions.is_approver(by) or not permissions.is_operator(by) else Actor.OPERATOR
        row = _row(by, actor, conn_request, found, run)
        why = f"{found.kind.value.capitalize()} {found.name or found.type}, hash {found.hash}"
        # Locked last, as by the worker that tells Fivetran. Beside a run that is stored now, the later one counts.
        Connection.objects.select_for_update().get(request=conn_request).count_trust()
        permissions.check_not_handed_to(by, conn_request)
        store_turn(conn_request.pk)
        detail = {"why": why[:600], "seen": seen(shown, conn_request.version)}
        Event.objects.note(conn_request, EventKind.TRUST_APPROVED, actor=actor, by=by, detail=detail)
        tasks.enqueue_on_commit("send_trust", row.pk)


def _standing(
    run: SetupTestRun | None, kind: trust_candidates.TrustKind, hash: str, shown: str
) -> trust_candidates.Candidate | None:
    tests = run.setup_tests.exclude(status__in=FINE) if run else ()
    for test in tests:
        for candidate in trust_candidates.candidates(test.details):
            if (candidate.kind, candidate.hash, candidate.digest) == (kind, hash, shown):
                return candidate
    return None


def _row(
    by: User, actor: Actor, conn_request: ConnectionRequest, found: trust_candidates.Candidate, run: SetupTestRun
) -> Trust:
    # Fivetran was told of it before this run, and asks all the same: the earlier approval makes room.
    earlier = Trust.objects.filter(request=conn_request, kind=found.kind.value, hash=found.hash)
    move(earlier.filter(ended_at__lt=run.finished_at), TrustState.LAPSED, actor=actor)
    try:
        with transaction.atomic():
            return Trust.objects.create(
                request=conn_request,
                requester_id=conn_request.requester_id,
                kind=found.kind.value,
                hash=found.hash,
                proof=found.proof,
                shown=found.digest,
                approved_by=by,
                next_try_at=Now(),
            )
    except IntegrityError:
        raise StaleRow("It is approved already.") from None
