"""Testing a request before it is sent: its checks in order, for which Fivetran is only read."""
