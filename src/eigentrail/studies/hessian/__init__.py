"""What the Hessian says about a recorded training: S1's chapter 7 and S2's level spacings as one analysis."""
