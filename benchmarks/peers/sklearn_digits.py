"""The network of the recipe `digits` with scikit-learn, as one would write it: load, train 40 epochs, score."""

import warnings

from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

x, y = load_digits(return_X_y=True)
x, x_test, y, y_test = train_test_split(x / 16, y, test_size=0.2, random_state=42, stratify=y)
x, x_val, y, y_val = train_test_split(x, y, test_size=180, random_state=42, stratify=y)

model = MLPClassifier(
    (64,),
    solver="sgd",
    learning_rate_init=0.1,
    momentum=0.9,
    nesterovs_momentum=False,
    alpha=1e-4,
    batch_size=32,
    max_iter=40,
    n_iter_no_change=1000,
    random_state=42,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # forty epochs were asked for, converged or not
    model.fit(x, y)

for name, inputs, target in (("train", x, y), ("validation", x_val, y_val), ("test", x_test, y_test)):
    p = model.predict_proba(inputs)
    print(f"{name:10} accuracy {accuracy_score(target, p.argmax(1)):.4f}  loss {log_loss(target, p):.4f}")
