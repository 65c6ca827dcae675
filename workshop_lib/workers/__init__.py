"""Workers in the notebook's process and in separate processes, and notices of what a cell waits for."""
