"""Detectors of simpler projects, on the same footing as the shipped one: bundles of kind window,
one module a family.

A module has the function `learn` of training.baselines.fit.Learner. To add a model, write one and
name it here.
"""

MODELS = {
    "logistic": "training.baselines.classical",
    "forest": "training.baselines.classical",
    "svm": "training.baselines.classical",
    "raw_cnn": "training.baselines.raw_cnn",
    "mel_cnn": "training.baselines.mel_cnn",
    "wav2vec2": "training.baselines.wav2vec2",
    "mobilenet": "training.baselines.mobilenet",
    "student": "training.baselines.student",
}
KERAS = {"mobilenet", "student"}  # what learns in TensorFlow, the others in PyTorch or scikit-learn
