"""A request's body to take along, each way in a file of its own, and never with a credential. The values were typed by
somebody: none may leave its quotes, whoever reads the text.
"""

from connections.spec.export.conductor import as_conductor
from connections.spec.export.python_script import as_python
from connections.spec.export.shell import as_curl, as_script
from connections.spec.export.terraform import as_terraform
from connections.spec.export.texts import as_json

__all__ = ["as_conductor", "as_curl", "as_json", "as_python", "as_script", "as_terraform"]
