"""How Django writes times where no page says it, as in the admin: as the portal's own pages do."""

DATETIME_FORMAT = "j M Y, H:i"
DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i"
