"""Web push: the devices that are notified, the services that reach them, and the key that messages are signed with."""
