"""Simpler detectors for comparison, treated like the shipped one: bundles of kind window, one
module per family.

A module has the function `learn` of training.baselines.fit.BaselineLearner. To add a model, write
one and name it here.
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
KERAS = {"mobilenet", "student"}  # trained in TensorFlow, the others in PyTorch or scikit-learn
