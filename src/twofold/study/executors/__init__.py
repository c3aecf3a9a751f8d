"""What trains the points of a study: the processes of this machine, or a cluster."""
