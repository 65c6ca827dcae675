"""What the checks share: a learner's code under failure, and what the server recorded of it."""
