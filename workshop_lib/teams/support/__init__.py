"""The support team: an agent that talks to customers, and a specialist that knows the handbook and can refund."""
