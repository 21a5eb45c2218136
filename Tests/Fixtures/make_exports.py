#!/usr/bin/env python3
"""Exports small models of the libraries that people train with, as their exporters write them: exports/NAME.onnx.

Run once, by hand: it needs scikit-learn, skl2onnx, xgboost, onnxmltools and torch, which CI does not install. The files are
committed; exports/VERSIONS says what made them. Tests/SystemTests/test_batch_proof.py asks what is proven of each.
"""
import importlib.metadata
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent / "exports"
OPSETS = {"": 17, "ai.onnx.ml": 3}
DICE = np.random.default_rng(5)
X = DICE.standard_normal((200, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int) + (X[:, 3] > 1)
TARGET = (X[:, 0] * 2 - X[:, 1]).astype(np.float32)


def scikit_learn():
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
    from sklearn import compose, ensemble, feature_extraction, impute, linear_model, naive_bayes, neighbors, neural_network
    from sklearn import pipeline, preprocessing, svm, tree

    def export(name, model, kind=None):
        kind = kind or [("X", FloatTensorType([None, 4]))]
        made = to_onnx(model, initial_types=kind, target_opset=OPSETS,
                       options={id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None)
        yield f"sklearn_{name}", made.SerializeToString()

    plain = {
        "random_forest": ensemble.RandomForestClassifier(5, max_depth=3, random_state=0),
        "gradient_boosting": ensemble.GradientBoostingClassifier(n_estimators=5, max_depth=2, random_state=0),
        "extra_trees": ensemble.ExtraTreesClassifier(5, max_depth=3, random_state=0),
        "decision_tree": tree.DecisionTreeClassifier(max_depth=3, random_state=0),
        "logistic_regression": linear_model.LogisticRegression(),
        "ridge_classifier": linear_model.RidgeClassifier(),
        "linear_svc": svm.LinearSVC(),
        "svc": svm.SVC(probability=True, random_state=0),
        "naive_bayes": naive_bayes.GaussianNB(),
        "mlp": neural_network.MLPClassifier((8,), max_iter=50, random_state=0),
        "nearest_neighbours": neighbors.KNeighborsClassifier(3),
        "scaled": pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()),
        "imputed": pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.MinMaxScaler(),
                                          ensemble.RandomForestClassifier(3, max_depth=2, random_state=0)),
        "normalised": pipeline.make_pipeline(preprocessing.Normalizer(), preprocessing.PolynomialFeatures(2),
                                             linear_model.LogisticRegression(max_iter=500)),
        "voting": ensemble.VotingClassifier([("a", linear_model.LogisticRegression()),
                                             ("b", tree.DecisionTreeClassifier(max_depth=2, random_state=0))], voting="soft", flatten_transform=False),
    }
    for name, model in plain.items():
        yield from export(name, model.fit(X, Y))
    for name, model in {"linear_regression": linear_model.LinearRegression(),
                        "forest_regressor": ensemble.RandomForestRegressor(5, max_depth=3, random_state=0),
                        "svr": svm.SVR()}.items():
        yield from export(name, model.fit(X, TARGET))
    texts = np.array(["the parcel is late", "refund my invoice", "the app crashes", "where is my parcel"] * 5)
    labels = np.array([0, 1, 2, 0] * 5)
    # Lower case needs a locale that few machines have.
    for name, vectorizer in {"text_counts": feature_extraction.text.CountVectorizer(lowercase=False),
                             "text_tfidf": feature_extraction.text.TfidfVectorizer(ngram_range=(1, 2), lowercase=False)}.items():
        model = pipeline.make_pipeline(vectorizer, linear_model.LogisticRegression()).fit(texts, labels)
        yield from export(name, model, [("text", StringTensorType([None, 1]))])
    import pandas
    table = pandas.DataFrame({"age": X[:, 0], "fare": X[:, 1], "class": DICE.choice(["a", "b", "c"], 200)})
    columns = compose.ColumnTransformer([("numbers", preprocessing.StandardScaler(), ["age", "fare"]),
                                         ("words", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["class"])])
    model = pipeline.make_pipeline(columns, linear_model.LogisticRegression()).fit(table, Y)
    yield from export("columns", model, [("age", FloatTensorType([None, 1])), ("fare", FloatTensorType([None, 1])),
                                         ("class", StringTensorType([None, 1]))])
    codes = preprocessing.OrdinalEncoder().fit(DICE.integers(0, 3, (200, 2)))
    yield from export("ordinal", codes, [("X", Int64TensorType([None, 2]))])


def xgboost():
    import onnxmltools
    import xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    kind = [("X", FloatTensorType([None, 4]))]
    for name, model, target in (("classifier", xgboost.XGBClassifier(n_estimators=4, max_depth=2), Y),
                                ("binary", xgboost.XGBClassifier(n_estimators=4, max_depth=2), Y > 0),
                                ("regressor", xgboost.XGBRegressor(n_estimators=4, max_depth=2), TARGET)):
        made = onnxmltools.convert_xgboost(model.fit(X, target), initial_types=kind, target_opset=15)
        yield f"xgboost_{name}", made.SerializeToString()


def pytorch():
    import io

    import torch
    from torch import nn

    torch.manual_seed(0)
    # The older exporter does not know the fused encoder.
    torch.backends.mha.set_fastpath_enabled(False)

    class Attention(nn.Module):
        """A block as users write it: sizes are read from the input."""

        def __init__(self):
            super().__init__()
            self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)

        def forward(self, x):
            batch, length, _ = x.shape
            q, k, v = (part.reshape(batch, length, 2, 8).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
            weights = torch.softmax(q @ k.transpose(-2, -1) / 8 ** 0.5, -1)
            return self.out((weights @ v).transpose(1, 2).reshape(batch, length, 16))

    class Text(nn.Module):
        """Words, positions, an encoder, and the mean of what it says."""

        def __init__(self):
            super().__init__()
            self.words, self.places = nn.Embedding(50, 16), nn.Embedding(32, 16)
            layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
            self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(16, 3)

        def forward(self, ids):
            places = torch.arange(ids.shape[1], device=ids.device)
            return self.head(self.encoder(self.words(ids) + self.places(places)).mean(1))

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(4, 8, batch_first=True), nn.Linear(8, 2)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    image, sequence, ids = torch.randn(2, 3, 8, 8), torch.randn(2, 5, 16), torch.randint(0, 50, (2, 7))
    cnn = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3),
                        nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    models = {
        "mlp": (nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3), nn.Softmax(-1)), torch.randn(2, 4), {}),
        "cnn": (cnn, image, {}), "attention": (Attention(), sequence, {1: "length"}), "text": (Text(), ids, {1: "length"}),
        "lstm": (Recurrent(), torch.randn(2, 5, 4), {1: "length"}),
        "layer_norm": (nn.Sequential(nn.LayerNorm(4), nn.GELU(), nn.Linear(4, 2)), torch.randn(2, 4), {}),
    }
    for name, (model, given, free) in models.items():
        for dynamo in (False, True):
            file = io.BytesIO()
            # The older exporter writes the encoder's length down as the constant that it saw.
            own = {} if name == "text" else free
            options = dict(dynamic_axes={"x": {0: "batch", **own}, "y": {0: "batch"}}) if not dynamo else dict(
                dynamic_shapes=({0: torch.export.Dim("batch", min=1), **{axis: torch.export.Dim(word, min=2) for axis, word in free.items()}},))
            try:
                with torch.no_grad():
                    torch.onnx.export(model.eval(), (given,), file, input_names=["x"], output_names=["y"], dynamo=dynamo,
                                      opset_version=17 if not dynamo else 18, external_data=False, **options)
            except Exception as error:
                print(f"torch_{name}{'_dynamo' if dynamo else ''}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
                continue
            yield f"torch_{name}{'_dynamo' if dynamo else ''}", file.getvalue()


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    made = []
    for library in (scikit_learn, xgboost, pytorch):
        for name, content in library():
            (HERE / f"{name}.onnx").write_bytes(content)
            made.append(name)
            print(name, len(content))
    packages = "scikit-learn skl2onnx xgboost onnxmltools torch onnx onnxscript".split()
    lines = [f"{name}=={importlib.metadata.version(name)}" for name in packages]
    (HERE / "VERSIONS").write_text("\n".join(lines) + "\n")
