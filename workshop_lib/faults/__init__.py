"""Failures by name, injected at the seams, so that business code has no trace of them.

``kinds`` has their names. ``interceptor`` lets them happen in a Worker, where an activity begins and ends;
``surroundings`` breaks the server, a database, a task queue or an HTTP service from the outside. ``fault`` is the
with-block that switches one on: ``Workshop.fault`` makes it.
"""
