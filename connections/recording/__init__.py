"""Writers of the record for what is no verb of the product: who logged in, and who changed rights, rules and policy.

They listen to signals, so that the pages of the administration, the company's directory and a command all count.
"""

from connections.recording import log_ins, rows


def begin() -> None:
    """Listen, once the models are there."""
    log_ins.listen()
    rows.listen()
