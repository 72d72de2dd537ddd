"""Same seed, same machine: does a training of 20 steps give identical weights twice?

    python benchmarks/accuracy/repeat.py --root ../shared/data/fracatlas [--weights FILE]

Trains the shipped recipe at its full input size, each time in a process of its own, and writes
the hash of all weights to `xray/repeat.json`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
RECIPE = HERE.parents[1] / "recipes" / "xray.toml"
STEPS = 20


def weights_sha256(root: Path, weights: str, threads: int) -> str:
    """Train and return the hash of the network's weights; runs in a process of its own."""
    import torch

    from fracturax.core.errors import ImageError
    from fracturax.datasets import open_dataset
    from fracturax.pipelines.prepare import only_film
    from fracturax.training.batches import store_film
    from fracturax.training.engine import train_network
    from fracturax.training.recipe import load_recipe

    torch.set_num_threads(threads)
    recipe = load_recipe(RECIPE).with_weights(weights).stages()[""]
    cases = [case for case in open_dataset("fracatlas", root=root) if case.path][::40]
    films = []
    for case in cases:
        with suppress(ImageError):  # the release holds truncated files
            film = only_film(case)
            films.append(store_film(case.name, film, case.reference, recipe.plan))
    with tempfile.TemporaryDirectory() as folder:
        trained = train_network(
            recipe, films, (), folder=Path(folder), max_steps=STEPS, show_progress=False
        )
    digest = hashlib.sha256()
    for name, value in sorted(trained.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def main() -> None:
    """Train twice, compare, and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE / "xray" / "repeat.json")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(weights_sha256(options.root, options.weights, options.threads))
        return
    command = [sys.executable, __file__, *sys.argv[1:], "--once"]
    hashes = [
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
        for _ in range(2)
    ]
    result = {
        "steps": STEPS,
        "threads": options.threads,
        "weights_sha256": hashes,
        "identical": len(set(hashes)) == 1,
    }
    text = json.dumps(result, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
