"""Read by IPython when a kernel starts, from ``etc/ipython`` of the environment."""

c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.InteractiveShellApp.extensions = ["workshop_lib.cells.unknown_names"]
