"""The client of Fivetran's REST API, and what its errors mean."""
