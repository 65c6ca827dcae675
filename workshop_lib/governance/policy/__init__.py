"""Which calls of a team's operations run, wait for a person, or are refused: a policy as data, enforced by its owner.

- ``rules``: a policy, and what it says of a call. Pure: no Temporal.
- ``keeper``: the workflow that remembers: counts, budgets, switches, held calls, the record.
- ``held``: the workflow behind a call that waits.
- ``guard``: an interceptor of the owner's Worker that asks the keeper before any code of an operation runs.
- ``contract``: what an approver in another namespace needs, and nothing more.
- ``chain``: the record of decisions, in which a missing or altered row is noticed.

It needs temporalio, nexus-rpc and pydantic.
"""
