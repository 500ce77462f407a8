"""The pages of the particle tasks: over the radius, at the surface, in 3D, beside the paper."""
