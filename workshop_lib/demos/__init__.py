"""The four demos: one agent, and four ways to give it the tools of other teams. One file each."""
