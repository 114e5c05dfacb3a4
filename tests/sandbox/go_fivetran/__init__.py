"""The account and the services that the end-to-end tests of Fivetran's Go client expect."""
