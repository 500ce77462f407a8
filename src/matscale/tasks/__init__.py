"""Tasks: what is told, what is asked, how the answer is scored."""
