"""The language model: the offline one, and how any is reached."""
