"""What a check is given, where checks are found, and how their findings are put in order."""
