"""Reference backend: the service that a district runs in its data centre to receive, open and store what hubs seal."""
