"""The language model: which one is used, the offline one that stands in, and the activity that calls it."""
