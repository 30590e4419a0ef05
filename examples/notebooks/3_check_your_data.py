# %% [markdown]
# # What is wrong with labelled images
#
# Faults are planted here into a copy of some drawings: a copy, a wrong label, a broken file.

# %%
import shutil
import tempfile
from pathlib import Path

import adapt

emoji = adapt.Images.from_embedded("pictograms", "emoji", "train")
photos = Path(tempfile.mkdtemp()) / "photos"
for path, label in zip(emoji.paths, emoji.labels, strict=True):
    if label in ("animal", "boat", "clock", "flower"):
        (photos / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, photos / label)
animal = sorted((photos / "animal").iterdir())[0]
shutil.copy(animal, photos / "animal" / "again.png")
shutil.copy(sorted((photos / "boat").iterdir())[0], photos / "clock" / "wrong.png")
_ = (photos / "flower" / "broken.png").write_bytes(b"not an image")

# %%
checked = adapt.check(photos, model="adapt-icons-xs", pretrained="embedded")
checked

# %%
checked.plot()

# %% [markdown]
# The images to leave out go into a list, which a recipe takes as `data.exclude`:

# %%
_ = checked.write_exclusions(photos.parent / "quarantine.txt", labels=True)
print((photos.parent / "quarantine.txt").read_text())
