"""The proofs of the exercises, one module for each notebook; ``exercise.py`` carries them out."""
