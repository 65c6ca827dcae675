"""Failures by name, injected at the seams, so that business code has no trace of them."""
