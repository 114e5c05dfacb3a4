"""What must be true after quiet: over the rows and events here, and over the connections and the journal there."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from connections.models import Attempt, CircuitBreaker, Connection, ConnectionRequest, Event, EventKind, SetupTestsState
from connections.spec import payloads
from connections.states import FINAL, Status
from tests.chaos.workload import REFUSED
from tests.sandbox_client import JSON, Fivetran


@dataclass
class Verdict:
    """A sentence for every finding; `attention` are rows that wait for an operator, which is no fault by itself."""

    duplicates: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    attention: int = 0

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return not (self.duplicates or self.lost or self.wrong)


WORKING = (Status.PENDING, Status.APPROVED, Status.CLAIMED, Status.SENDING, Status.UNKNOWN)
TESTING = (SetupTestsState.DUE, SetupTestsState.RUNNING)


def quiet() -> bool:
    """Whether no request and no run of setup tests is under way."""
    return not (
        ConnectionRequest.objects.filter(status__in=WORKING).exists()
        or Connection.objects.filter(tests__in=TESTING).exists()
    )


def restless() -> str:
    """What is still under way, and the circuit breaker, in a line."""
    breaker = CircuitBreaker.objects.values_list("reason", "not_before", "unclear_in_a_row").first()
    requests = Counter(ConnectionRequest.objects.filter(status__in=WORKING).values_list("status", flat=True))
    tests = Counter(Connection.objects.filter(tests__in=TESTING).values_list("tests", flat=True))
    return f"requests {dict(requests)}, setup tests {dict(tests)}, breaker {breaker}"


def check(fivetran: Fivetran, canaries: Iterable[str], texts: Iterable[str]) -> Verdict:
    """Compare everything; `texts` are logs and dumps in which none of `canaries` may stand."""
    verdict = Verdict()
    requests = {conn_request.schema: conn_request for conn_request in ConnectionRequest.objects.all()}
    there: dict[str, list[JSON]] = defaultdict(list)
    for connection in fivetran.connections():
        there[connection["schema"]].append(connection)
    for schema, connections in there.items():
        if len(connections) > 1:
            verdict.duplicates.append(f"{schema}: {[connection['id'] for connection in connections]}")
        if schema not in requests:
            verdict.wrong.append(f"{schema} exists and nobody asked for it")
    for conn_request in requests.values():
        _check_request(verdict, conn_request, there.get(conn_request.schema, []))
    _check_history(verdict, requests.values())
    _check_posts(verdict, requests, fivetran.posts())
    _check_secrets(verdict, list(canaries), texts)
    return verdict


def _check_request(verdict: Verdict, conn_request: ConnectionRequest, there: list[JSON]) -> None:
    """Created means that it exists under that id, everything else that it does not; nobody is left waiting."""
    says = f"{conn_request.schema} is {conn_request.status} ({conn_request.note or conn_request.failure_message})"
    refusal = conn_request.schema.startswith(REFUSED)
    verdict.attention += conn_request.state is Status.ATTENTION
    if conn_request.state is Status.CREATED:
        if conn_request.connection_id not in [connection["id"] for connection in there]:
            verdict.wrong.append(f"{says} as {conn_request.connection_id}, there is {there}")
    elif there:
        verdict.wrong.append(f"{says} and exists")
    elif conn_request.state not in FINAL or not (refusal and conn_request.state is Status.FAILED):
        verdict.lost.append(says)
    if refusal and conn_request.state is not Status.FAILED:
        verdict.wrong.append(f"{says}, which Fivetran always refuses")


def _check_history(verdict: Verdict, requests: Iterable[ConnectionRequest]) -> None:
    """One event for each version, in a chain of moves that begins at the beginning and ends where the row stands."""
    chains: dict[int, list[Event]] = defaultdict(list)
    for event in Event.objects.filter(kind=EventKind.MOVED).order_by("version"):
        chains[event.request_id or 0].append(event)
    for conn_request in requests:
        chain = chains[conn_request.pk]
        versions = [event.version for event in chain]
        linked = all(a.target == b.source for a, b in zip(chain, chain[1:], strict=False))
        if (
            versions != list(range(1, conn_request.version + 1))
            or not linked
            or chain[-1].target != conn_request.status
        ):
            verdict.wrong.append(f"{conn_request.schema}: broken history {[str(event) for event in chain]}")


def _was_cut(post: JSON) -> bool:
    """Whether its sender was killed between the head and the body: then nothing was asked of Fivetran, and done."""
    phases = {event["phase"] for event in post["events"]}
    return "gone" in phases and "body" not in phases and post["body"] is None and post["effect"] is None


def _check_posts(verdict: Verdict, requests: dict[str, ConnectionRequest], posts: list[JSON]) -> None:
    """Every POST that Fivetran saw carries an approved body, was approved before, and was written down before."""
    approvals = {
        event.request_id: event
        for event in Event.objects.filter(kind=EventKind.MOVED, target=Status.APPROVED, source=Status.PENDING)
    }
    seen: Counter[int] = Counter()
    for post in posts:
        if _was_cut(post):
            continue
        config = (post["body"] or {}).get("config", {})
        conn_request = requests.get(payloads.natural_key(config))
        if conn_request is None:
            verdict.wrong.append(f"POST {post['n']} is for {config}, which nobody asked for")
            continue
        seen[conn_request.pk] += 1
        approval = approvals.get(conn_request.pk)
        if approval is None or approval.by_id == conn_request.requester_id:
            verdict.wrong.append(f"{conn_request.schema}: sent without the approval of a second person")
        elif approval.detail.get("digest") != payloads.digest(post["body"]):
            verdict.wrong.append(f"{conn_request.schema}: sent with another body than was approved")
        elif approval.at > datetime.fromisoformat(post["time"]):
            verdict.wrong.append(f"{conn_request.schema}: sent at {post['time']}, approved at {approval.at}")
    written = Counter(Attempt.objects.filter(call=Attempt.Call.CREATE).values_list("request_id", flat=True))
    for pk, times in seen.items():
        if written[pk] < times:
            verdict.wrong.append(f"request {pk}: {times} POSTs and only {written[pk]} written down")


def _check_secrets(verdict: Verdict, canaries: list[str], texts: Iterable[str]) -> None:
    stored = [
        *(f"{attempt.message} {attempt.code}" for attempt in Attempt.objects.all()),
        *(f"{event.reason} {event.detail}" for event in Event.objects.all()),
        *(f"{conn_request.note} {conn_request.failure_message}" for conn_request in ConnectionRequest.objects.all()),
    ]
    for canary in canaries:
        if any(canary in text for text in (*stored, *texts)):
            verdict.wrong.append(f"a secret stands where it must not ({canary[:4]}…)")
