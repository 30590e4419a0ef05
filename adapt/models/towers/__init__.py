"""Image encoders of timm, alone or beside the text encoder of a CLIP."""
