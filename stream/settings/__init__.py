"""Settings that people change on the page: what the detector says of its configuration, and what it is asked."""
