"""What people look at: each view is drawn as HTML or SVG, and has a twin in plain text."""
