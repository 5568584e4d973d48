"""Named experiments and claims."""
