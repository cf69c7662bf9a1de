"""What would be: stored traffic or files through the same reading and the same rules, without any effect."""
