"""What pages draw: figures as SVG text, and crystals for the viewer."""
