"""How a person is named to other people: the real name where the account has one, else the user name."""

from typing import Protocol


class Named(Protocol):
    """What an account says of its person; a row's columns do as well as Django's user."""

    def get_full_name(self) -> str: ...
    def get_username(self) -> str: ...


def display_name(person: Named) -> str:
    return person.get_full_name().strip() or person.get_username()


def initials(name: str) -> str:
    """One or two capitals: of the first and the last word that begin with a letter, or of the name's own letters."""
    words = [word for word in name.replace(".", " ").replace("_", " ").split() if word[0].isalnum()]
    if len(words) > 1:
        return (words[0][0] + words[-1][0]).upper()
    return (words[0] if words else name)[:2].upper()
