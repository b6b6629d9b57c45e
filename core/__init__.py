"""What an interaction is and how unusual it is: arrays in, arrays out; no socket, thread or wall clock."""
