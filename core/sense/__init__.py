"""What a source's people look like, judged before anything is scored: can these be bodies, and is up up?"""
