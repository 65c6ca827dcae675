"""The class: each learner's progress is a Workflow, fed by the checks, and the instructor's board queries them all."""
