"""Who may call what: an allowlist, signed caller identity, and a proxy that compares certificates with namespaces.

This package knows neither the workshop nor its teams. Copy it into a project of your own; ``allowlist`` needs
temporalio only, ``identity`` the package cryptography, ``proxy`` grpcio and trustme.
"""
