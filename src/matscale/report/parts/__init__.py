"""What pages show of one task beyond scores: a folder for each, found by the task's name."""
