"""Trainable generative models of crystals: one backbone, several processes, told what we say.

Needs the extra ``models`` (torch, lightning, safetensors). ``docs/models.md`` shows how to train,
sample and score one, and how to add your own.
"""
