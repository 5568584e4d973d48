"""The structure that training puts into neural-network weights: observe, explain, exploit."""
