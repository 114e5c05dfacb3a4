"""What a person reads who was not logged in; operators read why in the log."""

CANCELLED = (
    "Your company’s log-in did not let you in. If you did not break it off yourself, ask its administrators whether "
    "the portal is assigned to you."
)
REFUSED = "Your company’s log-in refused. Its administrators can see why; the portal is told a word at most."
AWAY = "Your company’s log-in does not answer just now. Try again in a minute."
BROKEN = "The answer of your company’s log-in could not be used. Begin again."
STALE = (
    "This answer of your company’s log-in belongs to no log-in that you began here, or it came too late. Begin again."
)
NO_SUBJECT = "Your company’s log-in did not say who you are."
DIRECTORY_AWAY = (
    "Your company’s directory does not answer just now, so nobody can see whether the password is right. Try again "
    "in a minute."
)
NOT_ASKED = "Your company’s directory does not answer just now, so it cannot say whether you may decide. Try again."
GONE = "Your company’s directory does not know you any more."
