"""As whom one can log in by a click, and what there is to do then."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LogIn:
    role: str
    task: str
    icon: str
    begins_at: str = "/"


LOG_INS: dict[str, LogIn] = {
    "requester": LogIn("Requester", "ask for a connection", "pencil-square"),
    "requester2": LogIn("Source owner", "enter credentials that a colleague asks for", "key"),
    "approver": LogIn("Approver", "decide on what waits for you", "check-badge", "/approvals/"),
    "operator": LogIn("Operator", "settle what cannot go on by itself", "wrench-screwdriver", "/operations/"),
    "auditor": LogIn("Auditor", "see who asked for what, and who approved it", "magnifying-glass", "/requests/"),
    "admin": LogIn("Administrator", "set services, names, presets and people", "cog-6-tooth", "/admin/"),
}
