"""The rows of the portal. Each family has a module of its own; import from here."""

from connections.models.attempt import Attempt, Ending
from connections.models.batch import Batch, BatchRow
from connections.models.catalog import CatalogEntry, CatalogRefresh, Kind
from connections.models.connection import (
    Connection,
    SetupTest,
    SetupTestRun,
    SetupTestsState,
    status_columns,
    store_run,
)
from connections.models.event import Event, EventKind
from connections.models.gate import ApiGate, GateReason
from connections.models.handover import LIVE_HANDOVER, Handover, HandoverState, find_owner
from connections.models.heartbeat import Heartbeat, Process
from connections.models.notice import Notice, NoticeKind
from connections.models.policy import PortalPolicy, ServiceRule, Stance
from connections.models.preset import Preset
from connections.models.request import ConnectionRequest, IllegalMove, MovedOn, advance, open_request

__all__ = [
    "LIVE_HANDOVER",
    "ApiGate",
    "Attempt",
    "Batch",
    "BatchRow",
    "CatalogEntry",
    "CatalogRefresh",
    "Connection",
    "ConnectionRequest",
    "Ending",
    "Event",
    "EventKind",
    "GateReason",
    "Handover",
    "HandoverState",
    "Heartbeat",
    "IllegalMove",
    "Kind",
    "MovedOn",
    "Notice",
    "NoticeKind",
    "PortalPolicy",
    "Preset",
    "Process",
    "ServiceRule",
    "SetupTest",
    "SetupTestRun",
    "SetupTestsState",
    "Stance",
    "advance",
    "find_owner",
    "open_request",
    "status_columns",
    "store_run",
]
