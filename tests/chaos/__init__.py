"""The randomised run: a workload, a drawer of faults, and a checker over the history and Fivetran's own journal."""
