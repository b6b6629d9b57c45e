"""Binding sockets, and who may connect to them: CURVE keys and the allow-list."""
