"""A part of a request's page: what it shows, and the template that lays it out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """`shown` is what the template lays out as `part`; without it the section is empty until something comes up.

    The open page exchanges a section that is `live`, by its name. `look` is a class of the style sheets.
    """

    name: str
    shown: object
    look: str = "panel"
    live: bool = True

    @property
    def template(self) -> str:
        return f"connections/request_page/_{self.name.replace('-', '_')}.html"
