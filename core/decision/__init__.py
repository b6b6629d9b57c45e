"""From scores to events: rules, thresholds, budgets of false events, the calibration file."""
