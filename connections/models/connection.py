"""The connection that came of a request, as Fivetran last described it, and every run of its setup tests."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class SetupTestsState(models.TextChoices):
    """The small machine of the setup tests; running them is repeatable, so a lost run is simply due again."""

    NONE = "none", "Not asked for"
    DUE = "due", "Waiting to run"
    RUNNING = "running", "Running"
    STORED = "stored", "Finished"


class Connection(models.Model):
    """Fivetran's own facts about a created connection; its id stands on the request."""

    request = models.OneToOneField("connections.ConnectionRequest", models.PROTECT, related_name="connection")
    setup_state = models.CharField(max_length=50, blank=True)  # incomplete, connected, broken, or anything new
    fivetran_status = models.JSONField(default=dict)  # the answer's `status` object, as it came
    fivetran_created_at = models.DateTimeField(null=True)
    adopted = models.BooleanField(default=False)  # found by a look-up, not told by the answer
    tests = models.CharField(max_length=10, choices=SetupTestsState.choices, default=SetupTestsState.NONE)
    tests_next_try_at = models.DateTimeField(null=True)
    tests_token = models.UUIDField(null=True)
    tests_lease_until = models.DateTimeField(null=True)
    tests_attempts = models.PositiveSmallIntegerField(default=0)
    tests_note = models.CharField(max_length=500, blank=True)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        """The worker looks for tests that are due."""

        indexes = [
            models.Index(fields=["tests_next_try_at"], condition=models.Q(tests=SetupTestsState.DUE), name="tests_due")
        ]

    def __str__(self) -> str:
        """The connection by its request."""
        return f"connection of request {self.request_id}"


class SetupTestRun(models.Model):
    """One run of the setup tests; every run is kept."""

    connection = models.ForeignKey(Connection, models.PROTECT, related_name="runs")
    finished_at = models.DateTimeField(db_default=Now())
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    setup_state = models.CharField(max_length=50, blank=True)
    left_out = models.PositiveIntegerField(default=0)  # tests beyond the number that is stored

    class Meta:
        """Newest first."""

        ordering = ["-id"]

    def __str__(self) -> str:
        """The run by its connection."""
        return f"run {self.pk} of {self.connection_id}"


class SetupTest(models.Model):
    """One setup test as Fivetran told it: unknown statuses and any shape of details are kept."""

    run = models.ForeignKey(SetupTestRun, models.PROTECT, related_name="setup_tests")
    position = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=300)
    status = models.CharField(max_length=50)
    message = models.TextField(blank=True)
    details = models.JSONField(null=True)

    class Meta:
        """In Fivetran's order."""

        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="one_test_per_position")]

    def __str__(self) -> str:
        """Title and status."""
        return f"{self.title}: {self.status}"
