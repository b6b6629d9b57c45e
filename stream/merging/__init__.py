"""Several sources that see one place, watched as one."""
