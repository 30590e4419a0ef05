"""State-dict algebra: no models, no data."""
