"""Search in images by text and by image, and rank captions for an image.

    python examples/10_search.py photos

`photos` is a folder of images; without it the embedded drawings are used.
"""

import os
import sys
from pathlib import Path

import adapt
from adapt.scale.embed import embed_files

out = Path(os.environ.get("ADAPT_OUT", "search"))
drawings = adapt.Images.from_embedded("pictograms", "emoji", "test")
photos = Path(sys.argv[1] if sys.argv[1:] else drawings.root)

# By the start here; the `model` folder of a run is searched in the same way.
start = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", drawings.class_names)
embed_files(photos, start.save(out / "model"), out / "index")

index = adapt.Index.open(out / "index")
for hit in index.search("a clock", top=3):
    print(f"{hit.score:.3f} {hit.path}")
image = index.search("a clock", top=1)[0].path
for hit in index.search("a flower", image=image, minus="a face", top=3):
    print(f"{hit.score:.3f} {hit.path}")

captions = [f"a drawing of {name.words}" for name in drawings.classes.values()]
for answer in index.rank_captions(image, captions, top=3):
    print(f"{answer.score:.3f} {answer.caption}")
