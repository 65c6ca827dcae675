"""Workers beside a notebook: in its process, in processes of their own, and those who wait for them."""
