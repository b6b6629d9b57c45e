"""What two people's joints say about each other: canonical frame, distance maps, statistics."""
