"""The rows of the portal. Each family has a module of its own; import from here."""

from connections.models.access import AccessDestination, AccessGroup, AccessRule, AccessService
from connections.models.attempt import Attempt, Ending, ended
from connections.models.batch import Batch, BatchRow
from connections.models.catalog import CatalogEntry, CatalogRefresh, Kind, known_account
from connections.models.change import ChangeKind, ConnectionChange
from connections.models.circuit_breaker import CircuitBreaker, Pace
from connections.models.connection import (
    Connection,
    SetupTest,
    SetupTestRun,
    run_in,
    status_columns,
    store_run,
    tests_in,
)
from connections.models.dry_run import DryRun
from connections.models.event import About, Event, EventKind
from connections.models.handover import Handover, find_owner, owner_or, why_no_mail_reaches, why_not_mailed
from connections.models.heartbeat import Heartbeat, Process
from connections.models.notice import Notice, NoticeKind
from connections.models.observation import Observation
from connections.models.one_row import read_one, update_one
from connections.models.policy import PortalPolicy, ServiceRule, Stance
from connections.models.preset import Preset
from connections.models.request import ConnectionRequest
from connections.models.reset_count import ResetCount
from connections.models.seal import EventSeal
from connections.models.state_columns import move, move_one
from connections.models.step import change_step_of, step_of, store_turn, with_change_step, with_step, with_turn
from connections.models.team import Team, Writer, filed_for
from connections.models.transition import StaleRow, claim, open_change, open_request, transition, transition_change
from connections.models.trust import Trust
from connections.models.webhook import WebhookDelivery
from connections.states import (
    LIVE_HANDOVER,
    OPEN_TRUST,
    TESTS_OPEN,
    BreakerReason,
    HandoverState,
    IllegalTransition,
    SetupTestsState,
    TrustState,
)
