"""`/healthz` and `/metrics`: alive means that rounds are completed, not that HTTP answers."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, generate_latest

from apomixis_operator.loop import Loop

HEAD_BYTES = 8192
PATIENCE_S = 5.0


async def serve(port: int, loop: Loop, registry: CollectorRegistry) -> asyncio.Server:
    """A listener for the kubelet and Prometheus, on all addresses."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = await reader.readline()
                path = [*line.split(), b"", b""][1]
                status, body = _respond(path, loop, registry)
                head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\n"
                head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (TimeoutError, OSError, ValueError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(answer, port=port, limit=HEAD_BYTES)


def _respond(path: bytes, loop: Loop, registry: CollectorRegistry) -> tuple[str, bytes]:
    match path:
        case b"/metrics":
            return "200 OK", generate_latest(registry)
        case b"/healthz" if loop.healthy:
            return "200 OK", b"ok\n"
        case b"/healthz":
            return "503 Service Unavailable", b"no round was completed for too long\n"
    return "404 Not Found", b"/healthz or /metrics\n"
