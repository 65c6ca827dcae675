"""The teams of the workshop's company, a folder each. A team imports nothing of another but its ``contract``."""
