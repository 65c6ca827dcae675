"""Failures by name. They are injected at the boundaries of business code, which contains no trace of them.

``kinds`` has their names. ``interceptor`` lets them happen in a Worker, where an activity begins and ends; ``http``
in an HTTP service; ``surroundings`` breaks the server, a database or a task queue. ``fault`` is the with-block that
switches one on: ``Workshop.fault`` makes it.
"""
