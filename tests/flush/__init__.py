"""An app of the tests' settings alone: its command `flush`, which ends each test with real transactions."""
