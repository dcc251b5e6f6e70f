"""Models that are sold by the image or by the second: Imagen and Veo."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google import genai

from otel_agentperf import semconv
from otel_agentperf.demo.server import GeminiServer
from otel_agentperf.demo.wire import GeminiRequest, Reply
from tests.instrumentation.google_genai import ways
from tests.telemetry import observed

pytestmark = pytest.mark.filterwarnings("ignore:The (generate|edit|upscale)_")
VEO, VEO_USD_PER_S = "veo-3.1-generate-preview", 0.4
IMAGEN, IMAGEN_USD = "imagen-3.0-generate-001", 0.04
LYRIA, LYRIA_USD = "lyria-3.5", 0.08
"""With their prices, which are the same at 720p and 1080p."""
OPERATION = "projects/demo/locations/us-central1/publishers/google/models/veo/operations/1"


@pytest.mark.parametrize(
    ("config", "seconds", "resolution"),
    [
        (None, 8.0, None),
        ({"duration_seconds": 4}, 4.0, None),
        ({"number_of_videos": 2}, 16.0, None),
        ({"duration_seconds": 6, "number_of_videos": 3, "resolution": "1080p"}, 18.0, "1080p"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", f"async on {ways.TRANSPORT}"])
def test_a_video_is_counted_once_with_the_seconds_that_were_ordered(
    config: Any, seconds: float, resolution: str | None, is_async: bool
) -> None:
    def answer(request: GeminiRequest) -> Reply:
        return Reply({"name": OPERATION, "done": not request.path.endswith("predictLongRunning")})

    with GeminiServer(answer) as server, observed() as telemetry:
        client: Any = ways.client_of(server, vertex=True)
        if is_async:

            async def order() -> None:
                ordered = await client.aio.models.generate_videos(model=VEO, prompt="a boat", config=config)
                await client.aio.operations.get(ordered)
                await ways.close(client)

            asyncio.run(order())
        else:
            ordered = client.models.generate_videos(model=VEO, prompt="a boat", config=config)
            for _ in range(2):
                client.operations.get(ordered)
        telemetry.assert_sound()
        (span,) = telemetry.spans
    attributes = dict(span.attributes or {})
    assert span.name == f"generate_content {VEO}"
    assert attributes[semconv.USAGE_MEDIA_S] == seconds
    assert attributes.get(semconv.USAGE_MEDIA_RESOLUTION) == resolution
    assert attributes[semconv.OUTPUT_TYPE] == "video"
    assert attributes[semconv.USAGE_COST] == pytest.approx(seconds * VEO_USD_PER_S)
    assert attributes[semconv.COST_ESTIMATED] is True
    assert "every video that was ordered is made" in str(attributes[semconv.USAGE_ASSUMPTION])


def test_a_video_that_is_refused_costs_nothing() -> None:
    error = {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}
    with GeminiServer(lambda _: Reply(error, status=400)) as server, observed() as telemetry:
        client: Any = ways.client_of(server, vertex=True)
        with pytest.raises(Exception, match="400"):
            client.models.generate_videos(model=VEO, prompt="a boat")
        (span,) = telemetry.spans
    assert semconv.USAGE_MEDIA_S not in (span.attributes or {})
    assert semconv.COST_STATUS not in (span.attributes or {})


def _images(number: int) -> Reply:
    made = [{"mimeType": "image/png", "bytesBase64Encoded": "aGk="}] * number
    return Reply({"predictions": [*made, {"raiFilteredReason": "blocked"}]})


@pytest.mark.parametrize("number", [1, 4])
def test_the_images_of_an_answer_are_counted_and_those_that_were_withheld_are_not(number: int) -> None:
    with GeminiServer(lambda _: _images(number)) as server, observed() as telemetry:
        client: Any = ways.client_of(server, vertex=True)
        client.models.generate_images(model=IMAGEN, prompt="a boat", config={"number_of_images": 5})
        telemetry.assert_sound()
        (span,) = telemetry.spans
    assert (span.attributes or {})[semconv.USAGE_IMAGES] == number
    assert (span.attributes or {})[semconv.USAGE_COST] == pytest.approx(number * IMAGEN_USD)


def test_an_image_that_is_made_larger_is_one_image() -> None:
    with GeminiServer(lambda _: _images(1)) as server, observed() as telemetry:
        client: Any = ways.client_of(server, vertex=True)
        image = {"image_bytes": b"hi", "mime_type": "image/png"}
        client.models.upscale_image(model="imagen-4.0-upscale-preview", image=image, upscale_factor="x2")
        telemetry.assert_sound()
        (span,) = telemetry.spans
    assert (span.attributes or {})[semconv.USAGE_IMAGES] == 1


def test_a_song_of_lyria_is_one_piece_however_it_is_ordered() -> None:
    song = {"inlineData": {"mimeType": "audio/mpeg", "data": "aGk="}}
    content = {"candidates": [{"content": {"role": "model", "parts": [song]}}], "modelVersion": LYRIA}
    with GeminiServer(lambda _: Reply(content)) as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        client.models.generate_content(model=LYRIA, contents="a march")
        attributes = dict(telemetry.one(f"generate_content {LYRIA}").attributes or {})
    assert attributes[semconv.USAGE_IMAGES] == 1
    assert attributes[semconv.USAGE_COST] == pytest.approx(LYRIA_USD)


@pytest.mark.skipif(
    not hasattr(genai.Client, "interactions"), reason=f"google-genai {genai.__version__} has no Interactions"
)
@pytest.mark.filterwarnings("ignore:.*[Ii]nteractions.*experimental")
def test_a_song_of_an_interaction_is_one_piece_too() -> None:
    steps = [{"type": "model_output", "content": [{"type": "audio", "data": "aGk=", "mime_type": "audio/mpeg"}]}]
    body = {"id": "v1", "object": "interaction", "model": LYRIA, "status": "completed", "steps": steps}
    with GeminiServer(lambda _: Reply(body)) as server, observed() as telemetry:
        client: Any = ways.client_of(server)
        client.interactions.create(model=LYRIA, input="a march")
        attributes = dict(telemetry.one(f"generate_content {LYRIA}").attributes or {})
    assert attributes[semconv.USAGE_IMAGES] == 1
    assert attributes[semconv.USAGE_COST] == pytest.approx(LYRIA_USD)
