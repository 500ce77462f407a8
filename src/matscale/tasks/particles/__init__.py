"""What crystal-to-particle and particle-to-crystal share."""
