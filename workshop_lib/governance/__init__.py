"""Who may call what, and who did: allowlist, signed caller identity, certificates by namespace, one log for all.

This package knows no team. Copy it into a project of your own: ``allowlist`` needs temporalio only, ``identity`` the
package cryptography, ``proxy`` grpcio and trustme, and ``log`` reads with ``workshop_lib.evidence.history``.
"""
