"""A network as plain scripts, assembled from the engines' own sources so that the two cannot drift."""
