"""Services to begin with: what the company recommends, then what it uses, then what most companies do."""

import time
from functools import lru_cache

from connections.catalog.search import popular
from connections.models import CatalogEntry, Kind, ServiceRule, Stance
from connections.views.history.frame import KEPT
from connections.views.history.pickers import names_in_use

SHOWN = 8


def offered() -> tuple[tuple[str, str], ...]:
    """(service, name)"""
    return _offered(int(time.monotonic() // KEPT))


@lru_cache(maxsize=2)
def _offered(minute: int) -> tuple[tuple[str, str], ...]:
    stances = dict(ServiceRule.objects.values_list("service", "stance"))
    recommended = [service for service, stance in stances.items() if stance == Stance.RECOMMENDED]
    used = [service for service, _ in names_in_use(0, minute)[0]]
    wanted = [one for one in dict.fromkeys((*recommended, *used, *popular())) if stances.get(one) != Stance.DENIED]
    known = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id__in=wanted[: 3 * SHOWN])
    names = dict(known.values_list("fivetran_id", "name"))
    return tuple((one, names[one]) for one in wanted if one in names)[:SHOWN]
