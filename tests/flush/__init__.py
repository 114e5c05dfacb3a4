"""An app of the tests' settings alone: its command `flush`, which Django runs after each test with real transactions."""
