"""What the readers for PyTorch have in common: torchvision's decoder and transforms, and a DataLoader's settings."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.peer import CROP_AREA, CROP_RATIO, SIDE

WORKERS = (1, 2, 4)


class Crop:
    """From uint8 (3, H, W) to a random window of it, uint8 (3, 224, 224)."""

    def __init__(self) -> None:
        from torchvision.transforms import v2

        self._transform = v2.RandomResizedCrop(SIDE, scale=CROP_AREA, ratio=CROP_RATIO, antialias=True)

    def __call__(self, image: Any) -> Any:
        """Crops one image."""
        return self._transform(image)


class DecodeAndCrop:
    """From a JPEG's bytes to a random window of it."""

    def __init__(self) -> None:
        self._crop = Crop()

    def __call__(self, data: bytes) -> Any:
        """Decodes and crops one image."""
        import torch
        from torchvision.io import decode_jpeg

        # A copy, since PyTorch warns of memory that it may not write to.
        return self._crop(decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode="RGB"))


def read_photograph(path: str) -> Any:
    """Decodes a file, uint8 (3, H, W): a third faster than by Pillow, the folder's own way."""
    from torchvision.io import decode_image

    return decode_image(path, mode="RGB")


def loader_options(num_workers: int) -> dict[str, Any]:
    """Returns what makes a DataLoader's workers stay from one epoch to the next."""
    return {"num_workers": num_workers, "persistent_workers": num_workers > 0}
