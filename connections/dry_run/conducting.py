"""How a dry run goes: what can be asked at once is asked at once, and each check is told as soon as it is known."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from connections import catalog
from connections.dry_run import at_fivetran, of_request
from connections.dry_run.findings import Subject
from connections.dry_run.judgement import asked_body, judged
from connections.dry_run.reads import Read, Reads
from connections.fivetran import configured
from connections.fivetran.errors import RateLimited, Unauthorized
from connections.fivetran.transport import boottime
from connections.models import ConnectionRequest
from connections.queue import circuit_breaker, rate_budget
from connections.spec import payloads
from connections.spec.dry_run import Check, CheckState, Result

log = logging.getLogger(__name__)
SECONDS = 10.0  # for all of it
READING = 8.5  # of these; afterwards nothing is waited for
PAUSE = 0.1  # between two times that results are told: nobody sees more, and each is a write to the disk
MOST_PAGES = 2  # of the connections with one name in one destination
PATIENCE = {"connect_timeout": 2.0, "read_timeout": 4.0, "get_deadline": 4.0}  # of a call, with its repetitions

Tell = Callable[[list[Result]], bool]


@dataclass(frozen=True)
class Step:
    check: Check
    look: Callable[[Subject], Result]
    needs: tuple[str, ...] = ()  # names of reads; of those that are made in this run all must have ended
    last: bool = False  # after all reads


_STEPS = (
    Step(Check.ACCOUNT, at_fivetran.account, ("account",)),
    Step(Check.RIGHTS, at_fivetran.rights, last=True),
    Step(Check.DESTINATION, at_fivetran.destination, ("destination", "metadata")),
    Step(Check.NAME, at_fivetran.name, ("name", "metadata")),
    Step(Check.SERVICE, at_fivetran.service, ("metadata",)),
    Step(Check.CONFIG, of_request.config, ("metadata",)),
    Step(Check.NETWORKING, at_fivetran.networking, (*at_fivetran.NETWORKS, "metadata")),
    Step(Check.BUDGET, of_request.budget, last=True),
    Step(Check.REQUEST, of_request.request, ("metadata",)),
    Step(Check.SANDBOX, of_request.sandbox, last=True),
)


@dataclass(frozen=True)
class Conducted:
    """The results, and the digest of the body that they are about."""

    results: list[Result]
    digest: str


def conduct(conn_request: ConnectionRequest, tell: Tell) -> Conducted | None:
    """Test the request. Meanwhile `tell` is given the results as far as they are known; it returns False where nobody
    wants them any more, which ends the test.
    """
    body = asked_body(conn_request)
    breaker = circuit_breaker.current()
    rate_budget.record_rate_limit(breaker)  # what this process has just read, and others may not know
    subject = Subject(conn_request, body, breaker, {}, {})
    until = boottime() + READING
    reads = Reads(configured.reader(**PATIENCE), until, of_request.why_not_called(subject), subject.done)
    try:
        _begin(reads, body)
        if not _to_the_end(subject, reads, tell):
            return None
    finally:
        reads.end()
    return Conducted(list(subject.results.values()), subject.judgement.digest if subject.judgement else "")


def _to_the_end(subject: Subject, reads: Reads, tell: Tell) -> bool:
    """Look at whatever is there, until nothing more is to come; returns whether somebody still wants it."""
    told_at, news = boottime(), False
    while True:
        _follow_up(subject, reads)
        news = _look(subject, reads) or news
        if not reads.is_waiting:
            return True
        left = told_at + PAUSE - boottime()
        if news and left <= 0:
            if not tell(list(subject.results.values())):
                return False
            told_at, news = boottime(), False
        for read in reads.wait(left if news else None):
            _heed(read, reads)
        rate_budget.record_rate_limit(subject.breaker)


def _begin(reads: Reads, body: Mapping[str, Any]) -> None:
    group_id, service = str(body.get("group_id") or ""), str(body.get("service") or "")
    schema = payloads.natural_key(payloads.config_of(body))
    reads.begin("account", lambda client: client.get_account())
    if service:
        reads.begin("metadata", lambda client: client.get_connector_type(service))
    if group_id:
        reads.begin("destination", lambda client: client.get_destination(group_id))
    if group_id and schema:
        reads.begin("name", lambda client: client.find_connections(group_id, schema, most_pages=MOST_PAGES))
    for path, (place, _kind) in at_fivetran.NETWORKS.items():
        if item := body.get(path):
            _begin_network(reads, path, place, str(item))


def _begin_network(reads: Reads, path: str, place: str, item: str) -> None:
    reads.begin(path, lambda client: client.get_network(place, item))


def _follow_up(subject: Subject, reads: Reads) -> None:
    """What can be asked only once something is known: the role of the key's user, and what the sandbox would answer."""
    done = subject.done
    account = done.get("account")
    if account is not None and account.is_answered and not reads.has_begun("role"):
        user, key = str(account.data.get("user_id") or ""), str(account.data.get("system_key_id") or "")
        if key or user:
            reads.begin("role", lambda client: client.get_system_key(key) if key else client.get_user(user))
    if subject.judgement is None and reads.has_ended("metadata"):
        _judge(subject)
    named = any(one.from_sandbox for one in reads.exchanges) and not subject.row.connection_id
    if named and subject.judgement is not None and subject.judged.body and not reads.has_begun(of_request.SANDBOX):
        body = subject.judged.body
        reads.begin(of_request.SANDBOX, lambda client: client.would_create(body))


def _judge(subject: Subject) -> None:
    service, read = str(subject.body.get("service") or ""), subject.done.get("metadata")
    known = catalog.known_metadata_of(service)
    if read is not None and read.is_answered and catalog.is_metadata(read.data):
        try:
            subject.judgement = judged(subject.row, read.data, is_live=True)
        except Exception:  # by what is known, then; and the form of others is not to meet this either
            log.exception("the metadata of %s could not be used for request %s", service, subject.row.pk)
        else:
            if read.data != known:
                catalog.keep_metadata(service, read.data)
    if subject.judgement is None:
        subject.judgement = judged(subject.row, known)


def _look(subject: Subject, reads: Reads) -> bool:
    """Make the checks for which all is there; returns whether there were any."""
    ready = [step for step in _STEPS if step.check not in subject.results and _is_ready(step, subject, reads)]
    for step in ready:
        subject.results[step.check] = _looked(step, subject)
    return bool(ready)


def _is_ready(step: Step, subject: Subject, reads: Reads) -> bool:
    if step.last:
        return not reads.is_waiting and subject.judgement is not None
    return all(reads.has_ended(name) for name in step.needs)


def _looked(step: Step, subject: Subject) -> Result:
    try:
        return step.look(subject)
    except Exception as error:  # the others go on
        log.exception("the check %s of request %s failed", step.check, subject.row.pk)
        words = f"The portal could not make this check ({type(error).__name__})."
        return Result(step.check, CheckState.NOT_POSSIBLE, (words,))


def _heed(read: Read, reads: Reads) -> None:
    """Tell the circuit breaker what concerns the whole account, as soon as it is known; after a 429 ask no more."""
    # That there was no clear answer, or none, creations find out by themselves: whoever tests, and with less patience
    # than they have, must not hold them up. The sandbox's own call says nothing of the account.
    error = None if read.name == of_request.SANDBOX else read.error
    if isinstance(error, RateLimited):
        reads.why_not = of_request.WAITS
    if isinstance(error, RateLimited) or (isinstance(error, Unauthorized) and read.name == "account"):
        circuit_breaker.record_failure(error, read=True)
