"""Windows through the model: the queue before it, the engine, and the checks of a model file."""
