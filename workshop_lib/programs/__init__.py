"""Programs that run in separate processes."""
