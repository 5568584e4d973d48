"""What the recipes of several trainings measure, and the claims that they decide."""
