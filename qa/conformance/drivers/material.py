"""What all clients send."""

from typing import Any

from pydantic import BaseModel

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
IMAGE_URL = f"data:image/png;base64,{PIXEL}"
TEXT = 'Grüße aus Köln 😀 "quoted" \\n'
CHUNKS_BEFORE_LEAVING = 3

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "customer": {"type": "object", "properties": {"name": {"type": "string"}}},
        "image_url": {"type": "string"},
        "pieces": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["customer", "image_url", "pieces"],
}
TOOL: dict[str, Any] = {"name": "place_order", "description": "Orders articles.", "parameters": PARAMETERS}


class Weather(BaseModel):
    """The weather somewhere."""

    city: str
    degrees: int
