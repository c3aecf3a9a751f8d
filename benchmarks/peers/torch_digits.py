"""The network of the recipe `digits` in plain PyTorch, as one would write it: load, train 40 epochs, score."""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

torch.manual_seed(42)
x, y = load_digits(return_X_y=True)
x, x_test, y, y_test = train_test_split(x / 16, y, test_size=0.2, random_state=42, stratify=y)
x, x_val, y, y_val = train_test_split(x, y, test_size=180, random_state=42, stratify=y)
x, x_val, x_test = (torch.tensor(part, dtype=torch.float32) for part in (x, x_val, x_test))
y, y_val, y_test = (torch.tensor(part) for part in (y, y_val, y_test))

model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
loss_of = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
steps = 40 * -(-len(x) // 32)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
for _epoch in range(40):
    for batch in torch.randperm(len(x)).split(32):
        optimizer.zero_grad()
        loss = loss_of(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        schedule.step()

model.eval()
with torch.no_grad():
    for name, inputs, target in (("train", x, y), ("validation", x_val, y_val), ("test", x_test, y_test)):
        output = model(inputs)
        accuracy = (output.argmax(1) == target).float().mean().item()
        print(f"{name:10} accuracy {accuracy:.4f}  loss {loss_of(output, target).item():.4f}")
