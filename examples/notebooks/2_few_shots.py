# %% [markdown]
# # Four images per class: which method?
#
# Methods on features take a second each, so all of them can be tried; `auto` does that by
# cross-validation inside the training images, without looking at the test set.

# %%
import adapt

emoji = adapt.Images.from_embedded("pictograms", "emoji", "train")
test = adapt.Images.from_embedded("pictograms", "emoji", "test")
data = adapt.ImageData.build(emoji, val_fraction=None, shots=4, seed=0)
names = [data.train.classes[key] for key in data.class_names]
start = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)

# %%
methods = ["linear_probe", "gda", "tip_adapter", "clap", "cross_modal", "kernel_ridge", "mixture"]
models = {"zero-shot": start}
models |= {name: adapt.method(name).fit(start, data) for name in methods}
scores = adapt.evaluate(models, {"test": test})
scores

# %%
scores.plot()

# %% [markdown]
# The best row was read off the test set: choosing by it would be cheating. `method="auto"` chooses
# by cross-validation; here is the scikit-learn estimator with one of them:

# %%
shots = data.train
model = adapt.FewShotClassifier("adapt-icons-xs", "embedded", method="gda")
model.fit(shots.paths, shots.labels)
print(f"accuracy {model.score(test.paths, test.labels):.3f}")
