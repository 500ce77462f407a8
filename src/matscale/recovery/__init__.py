"""The crystal that a particle was cut from."""
