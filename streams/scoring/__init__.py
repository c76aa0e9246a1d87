"""Candidates for users: asked of Triton under a deadline, or taken from what is popular."""
