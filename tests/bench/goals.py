"""The goals by name, and what each needs around it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Goal:
    """Where a goal is measured; `writes` gives it a copy of the database, a broker and a sandbox of its own."""

    title: str
    module: str
    function: str
    writes: bool = False
    environment: dict[str, str] = field(default_factory=dict)


GOALS = {
    "P1": Goal("A page of the history costs the same at any size", "history", "any_size"),
    "P5": Goal("The list beside driver and f-string", "history", "beside_the_floor"),
    "P6": Goal("Queries a page", "history", "queries"),
    "access": Goal("Pages with 50 access rules", "access", "with_rules", writes=True),
    "team": Goal("Lists of somebody in a team", "access", "in_a_team", writes=True),
    "P14": Goal("The form beside Django's own rendering", "form", "beside_django", writes=True),
    "config": Goal("The form with 37 settings, and the switch to it", "config", "beside_django", writes=True),
    "filing": Goal("A request filed by the form", "filing", "by_the_form", writes=True),
    "picker": Goal("A key in the service picker", "picker", "a_key", writes=True),
    "catalog": Goal("The calls of a whole refresh", "picker", "a_refresh", writes=True),
    "P15": Goal("Test request beside its calls", "dry_run", "beside_its_calls", writes=True),
    "P9": Goal("What one submission adds to its calls", "submission", "one_alone", writes=True),
    "P12": Goal("Memory after load", "memory", "after_load", writes=True),
    "P7": Goal("500 requests, the API takes 200 ms", "submission", "many_quick", writes=True),
    "P8": Goal("128 requests, the API takes 5 s", "submission", "some_slow", writes=True),
    "P10": Goal("The message, and the approval without a broker", "message", "messages_and_silence", writes=True),
    "P11": Goal(
        "One limit over two workers",
        "limit",
        "never_exceeded",
        writes=True,
        # Ten a second, and bursts of two periods at most: the hour of the real limit in the time of a benchmark.
        environment={"CREATIONS_PER_MINUTE": "600", "SWEEP_INTERVAL": "1"},
    ),
    "P13": Goal("More workers, and the death of one", "scale", "over_workers", writes=True),
}
