"""The pages. A view reads what it shows, calls at most one verb of the workflow, and answers."""
