"""Pictures of shapes and strokes, made of nothing but a seed."""
