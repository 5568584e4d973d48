"""Figures: pure functions from plain data to Plotly figures, the null drawn beside the data."""
