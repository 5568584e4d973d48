"""What several recipes of one source share."""
