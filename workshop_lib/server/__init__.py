"""The Temporal Service: embedded, or yours."""
