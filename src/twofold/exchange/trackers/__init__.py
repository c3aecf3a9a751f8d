"""What a run recorded, for the trackers of other libraries: from the folder alone, after the fact."""
