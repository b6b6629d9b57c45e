"""Learning on site: versions of the model, what is heard, and what the learner is doing."""
