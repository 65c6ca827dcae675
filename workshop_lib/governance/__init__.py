"""Who may call what across namespaces, who calls, and one log of what was called. Knows no team."""
