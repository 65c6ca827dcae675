"""The teams of the workshop's company. Each has a folder. From another team, a team imports only its ``contract``."""
