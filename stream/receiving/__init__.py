"""The border: messages from outside become frames or counted refusals, bounded in bytes."""
