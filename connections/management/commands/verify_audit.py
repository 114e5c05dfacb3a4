"""`manage.py verify_audit`: whether anybody changed the record behind the portal's back."""

import argparse
import re
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from connections.models.verification import Verification

_SHOWN = 20  # findings


def _head(text: str) -> tuple[int, str]:
    if not (found := re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", text)):
        raise argparse.ArgumentTypeError("it is a position and a digest, such as the last line of an earlier run says")
    return int(found[1]), found[2]


class Command(BaseCommand):
    help = "Verify the chain of the audit record. Exits with status 1 where it is broken."
    requires_system_checks: list[str] = []  # whatever else is amiss, the record is looked at

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        words = "a head that an earlier run printed or the log has: that it is still there, and what came after it"
        parser.add_argument("--since", type=_head, metavar="POSITION:DIGEST", help=words)

    def handle(self, *args: Any, **options: Any) -> None:
        verification = Verification(*options["since"]) if options["since"] else Verification()
        findings = verification.findings()
        try:
            shown = list(islice(findings, _SHOWN))
        except DatabaseError as error:
            words = f"Nothing was verified: the database has no record that can be read ({error})."
            raise CommandError(words) from error
        for finding in shown:
            at = f"position {finding.position}: " if finding.position else ""
            self.stderr.write(f"{at}{finding.words}")
        more = sum(1 for _finding in findings)
        if more:
            self.stderr.write(f"and {more} more")
        counted = f"{verification.sealed} sealed events, {verification.erased} of them with personal fields erased"
        if shown:
            first = next((f"first at position {one.position}" for one in shown if one.position), "beyond the chain")
            raise CommandError(f"The record is broken, {first}. Read: {counted}. Head: {verification.head}")
        self.stdout.write(f"The record is whole: {counted}. Head: {verification.head}")
