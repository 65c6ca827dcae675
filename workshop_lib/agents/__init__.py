"""Conversations and what they are made of: the loop, tools, the model."""
