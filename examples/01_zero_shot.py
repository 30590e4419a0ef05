"""How good is the pretrained model already? No training, no files but the images."""

import adapt

images = adapt.Images.from_embedded("pictograms", "outline", "test")
names = [images.classes[key] for key in images.class_names]
classifier = adapt.Classifier.from_clip("adapt-icons-xs", "embedded", names)
# Your own: adapt.Images.from_folder("photos"), from_clip("ViT-B-32", "openai", ...)

scores = adapt.evaluate({"zero_shot": classifier}, {"outline": images})["zero_shot"]["outline"]
low, high = scores["accuracy_ci"]
print(f"{scores['n']} images: accuracy {scores['accuracy']:.3f} [{low:.3f}, {high:.3f}]")

for prediction in classifier.predict(images.paths[:3]):
    print(prediction.source.split("/")[-1], prediction.label, round(prediction.confidence, 3))
