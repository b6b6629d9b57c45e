"""What a running detector is made of: a thread that receives, one that scores, one that says how they do."""
