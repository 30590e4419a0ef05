"""A model in a new place without labels: is it another distribution, how accurate is it there?"""

import os
import tempfile
from pathlib import Path

import adapt
from adapt.explore.monitor.result import monitor
from adapt.explore.monitor.settings import MonitorSettings

tiny = bool(os.environ.get("ADAPT_TINY"))  # seconds instead of minutes, for the tests
folder = Path(os.environ.get("ADAPT_OUT", tempfile.mkdtemp()))
few = ["report.formats=[]", "~evals.outline", "~evals.solid", "~evals.colour", "~evals.silhouette"]
less = ["method=linear_probe", "data.train.fraction=0.3"] if tiny else []
done = adapt.run("quickstart", [*few, *less], folder / "run")

drawings = Path(adapt.Images.from_embedded("pictograms", "emoji", "test").root).parents[1]
for place in ("emoji", "outline"):  # the place of the training, and a new one
    limits = MonitorSettings(min_accuracy=0.6, line=not tiny)
    found = monitor(done.folder / "model", drawings / place / "test", settings=limits)
    accuracy, drift = found.content["accuracy"], found.content["drift"]
    low, high = accuracy["ci"]
    print(f"{place}: about {accuracy['estimate']:.0%} right ({low:.0%} to {high:.0%})")
    print(f"  another distribution: {drift['drifted']} (p = {drift['p']:.3f})")
    print(f"  alarms: {found.content['alarms'] or 'none'}")
    print(f"  page: {found.write(folder / place)}")
    print(f"  label {found.content['to_label']['images']} images to be sure to 5 points")
