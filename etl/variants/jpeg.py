"""JPEGs: plain ones as they are, all else encoded."""

from __future__ import annotations

from etl.cli import import_tensorflow
from etl.format.encodings import jpeg
from etl.format.features import ImageSpec
from etl.variants import pixel
from etl.variants.base import EncodedImage, Encoder, Variant, make_decoder
from etl.variants.settings import Settings

# Where a JPEG has to be encoded and nothing is said.
DEFAULT_QUALITY = 95


class Jpeg(Variant):
    """Upright JPEGs, at their own size or resized."""

    name = "jpeg"

    def size(self, config: Settings) -> tuple[int, int] | None:
        """Beside pixels, which need a size, JPEGs stay as they are unless their quality is asked for too."""
        if pixel.VARIANT.name in config.variants and config.jpeg_quality is None:
            return None
        return config.image_size

    def image(self, config: Settings) -> ImageSpec:
        """JPEG files."""
        size = self.size(config)
        return ImageSpec(jpeg.ENCODING.name, "uint8", size, config.resize if size else None)

    def open(self, config: Settings) -> Encoder:
        """Makes an encoder that leaves alone what is plain already and of the right size."""
        import_tensorflow()
        from etl.images import encode, normalise

        quality, size = config.jpeg_quality or DEFAULT_QUALITY, self.size(config)

        class Normaliser(Encoder):
            def encode(self, data: bytes) -> EncodedImage:
                value, pixels = normalise.normalise_jpeg(data, max_pixels=config.max_pixels, quality=quality)
                return EncodedImage(value, pixels)

        class Resizer(Encoder):
            decode = staticmethod(make_decoder(config, size))

            def encode(self, data: bytes) -> EncodedImage:
                pixels = self.decode(data)
                return EncodedImage(encode.encode_jpeg(pixels, quality), pixels)

        return Normaliser() if size is None else Resizer()

    def keeps_files(self, config: Settings) -> bool:
        """Where they are neither resized nor compressed."""
        return self.size(config) is None and config.compression == "none"


VARIANT = Jpeg()
