"""Whether a code is right. Each is good for one log-in, and guessing is slow; both are kept in the database, so that
neither a second machine nor a cache that is away changes them.
"""

import logging
import re
import time
from datetime import timedelta

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, generate_totp_secret, hotp_value
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q
from django.http import HttpRequest
from django.utils import timezone

from portal.sign_on.models import SecondFactor
from portal.sign_on.second_factor.encryption import Unreadable

log = logging.getLogger(__name__)
# Who gets to type a code knows the password, so this limit holds for all addresses together and locks out nobody whom
# a stranger chose.
MOST_WRONG = 20
PAUSE = timedelta(minutes=15)
_SECRET = "second_factor_secret"  # noqa: S105  # the name of what is kept in the session, encrypted
_MINUTE = timedelta(minutes=1)


class TooManyWrong(Exception):
    """No code is looked at just now."""


def check(user: User, typed: str) -> Authenticator | None:
    """The factor of `user` that the code is from, if it is right; from now on it is used. Raises TooManyWrong, and
    Unreadable where no code could be right.
    """
    own = {one.type: one for one in Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.WEBAUTHN)}
    app, recovery = own.get(Authenticator.Type.TOTP), own.get(Authenticator.Type.RECOVERY_CODES)
    secret = get_adapter().decrypt(app.data["secret"]) if app else ""
    _count(user)  # as wrong until it turns out right: many at once are not many tries
    code = re.sub(r"[\s-]", "", typed)
    if app and claim(user, step_of(secret, code)):
        found = app
    elif recovery and (unused := RecoveryCodes(recovery)).validate_code(code):
        found = unused.instance  # read anew: without the code that was used just now
    else:
        return None
    SecondFactor.objects.filter(user=user).update(wrong_codes=0, wrong_at=None)
    if settings.SECRET_KEY_FALLBACKS:
        _encrypt_anew(user)
    return found


def _encrypt_anew(user: User) -> None:
    """By the key of now, so that the earlier one can be taken away some day."""
    with transaction.atomic():
        for one in Authenticator.objects.select_for_update().filter(user=user):
            for name in {"secret", "seed"} & one.data.keys():
                one.data[name] = get_adapter().encrypt(get_adapter().decrypt(one.data[name]))
            one.save(update_fields=["data"])


def _count(user: User) -> None:
    now = timezone.now()
    mine, _ = SecondFactor.objects.get_or_create(user=user)
    # What lies ahead was written by a wrong clock.
    may_try = Q(wrong_codes__lt=MOST_WRONG) | Q(wrong_at__lte=now - PAUSE) | Q(wrong_at__gt=now + _MINUTE)
    counted = SecondFactor.objects.filter(may_try, pk=mine.pk)
    if not counted.update(wrong_codes=F("wrong_codes") + 1, wrong_at=now):
        raise TooManyWrong
    if mine.wrong_codes + 1 == MOST_WRONG:
        log.warning("%s wrong codes after the right password of user %s: somebody may have it", MOST_WRONG, user.pk)


def step_of(secret: str, code: str) -> int | None:
    """The step of the clock whose code this is: now, or the one before or after."""
    now = _step_now()
    for step in range(now - app_settings.TOTP_TOLERANCE, now + app_settings.TOTP_TOLERANCE + 1):
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, step))):
            return step
    return None


def claim(user: User, step: int | None) -> bool:
    """Whether the code of `step` was not used before; it is now, and every earlier one with it."""
    if step is None:
        return False
    SecondFactor.objects.get_or_create(user=user)
    ahead = _step_now() + 10 * app_settings.TOTP_TOLERANCE  # a wrong clock must not refuse every code until then
    unused = Q(last_step__lt=step) | Q(last_step__gt=ahead)
    return bool(SecondFactor.objects.filter(unused, user=user).update(last_step=step))


def begin_with(user: User, step: int) -> None:
    """A new secret, set up by the code of `step`."""
    SecondFactor.objects.update_or_create(user=user, defaults={"last_step": step, "wrong_codes": 0})


def _step_now() -> int:
    return int(time.time() // app_settings.TOTP_PERIOD)


def offered_secret(request: HttpRequest) -> str:
    """The secret of the app that this session is about to set up: one, in however many windows."""
    try:
        secret = str(get_adapter().decrypt(request.session[_SECRET]))
    except (KeyError, Unreadable):
        secret = str(generate_totp_secret())
        request.session[_SECRET] = get_adapter().encrypt(secret)
    return secret


def forget_offered_secret(request: HttpRequest) -> None:
    request.session.pop(_SECRET, None)
