"""The reference backend: what a district runs in its data centre to receive, open and keep what hubs seal."""
