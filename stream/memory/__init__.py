"""What is kept of incidents beyond the run that saw them: one file, behind one small interface."""
