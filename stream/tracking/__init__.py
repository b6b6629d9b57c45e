"""Who is where and who is near whom, from the frames of one source, without windows or a model."""
