"""``%%workflow`` cells, and what a kernel needs for them."""
