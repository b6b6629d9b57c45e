"""Two people in 3D with the score of the pair: as a picture, a film, or a page to turn and to play."""
