"""Who may call what: an allowlist, signed caller identity, certificates by namespace, policies.

This package knows no team and imports nothing of the workshop, so that you can copy it into your own project:
``allowlist`` needs temporalio only, ``policy`` pydantic, ``identity`` the package cryptography, ``proxy`` grpcio and
trustme. Who *did* call is read from the histories: ``workshop_lib.evidence.log``.
"""
