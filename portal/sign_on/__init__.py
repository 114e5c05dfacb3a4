"""Logging in by the company's own provider: who somebody is there, which account that is here, with which roles."""
