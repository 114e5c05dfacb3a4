"""The forms: the request form, built from the fields of the spec, and the small ones for decisions and hand-overs."""

from connections.forms.decisions import PauseForm, ReasonForm, SettleForm
from connections.forms.handover import CodeForm, PersonForm
from connections.forms.request import Purpose, RequestForm
