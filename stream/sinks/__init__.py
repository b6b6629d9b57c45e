"""Where messages go: ZeroMQ, JSON lines, terminal; each behind a bounded queue on a thread of its own."""
