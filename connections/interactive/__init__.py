"""What a page asks Fivetran itself, 5 seconds at most: whether a connection exists, and for a new Connect Card."""

from connections.fivetran.configured import card_host, card_origins
from connections.interactive.connect_card import mint
from connections.interactive.lookup import Unreachable, existing
