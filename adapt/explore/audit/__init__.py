"""Who is served badly: accuracy and recall by group, with intervals and control of many tests."""
