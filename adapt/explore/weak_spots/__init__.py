"""What a model cannot do, asked with drawings; and how other classes move its answers."""
