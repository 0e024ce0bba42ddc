"""Provider spaces (« serveurs d'accueil »): where a company drops files and readings for a service of the city."""
