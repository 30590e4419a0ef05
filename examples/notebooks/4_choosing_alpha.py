# %% [markdown]
# # Choosing alpha
#
# A head trained on emoji, and the line back to zero-shot. On emoji a large alpha is best, on
# outlines a smaller one; the choice may look at neither test set.

# %%
import adapt
from adapt.ensembling.line import mix

emoji = adapt.Images.from_embedded("pictograms", "emoji", "train")
data = adapt.ImageData.build(emoji, val_fraction=0.3, seed=0)
names = [data.train.classes[key] for key in data.class_names]
start = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)
tuned = adapt.method("linear_probe").fit(start, data)
best, curve = adapt.wise_ft(start, tuned, data.val)
curve

# %% [markdown]
# What every rule would choose, on the same validation images:

# %%
for name, choice in curve.rules.items():
    print(f"{name:20} alpha {choice['alpha']:.2f}: {choice['why']}")

# %% [markdown]
# And what the points are worth on the test sets, which no rule has seen:

# %%
evals = {
    "emoji": adapt.Images.from_embedded("pictograms", "emoji", "test"),
    "outlines": adapt.Images.from_embedded("pictograms", "outline", "test"),
}
points = {f"alpha {alpha:g}": mix(start, tuned, alpha) for alpha in (0.0, 0.3, 0.6, 1.0)}
adapt.evaluate(points | {f"chosen {curve.chosen:g}": best}, evals).plot()
