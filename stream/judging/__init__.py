"""Scores to messages: what each source's windows mean for its alarms, incidents and near misses."""
