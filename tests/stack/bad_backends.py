"""Backends as they are on a bad day, on a port that a good one takes later."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Generator
from concurrent import futures
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

import grpc


@contextmanager
def down(address: str) -> Generator[None]:
    """Nothing listens."""
    del address
    yield


@contextmanager
def _each_connection(address: str, serve: Callable[[socket.socket], None]) -> Generator[None]:
    host, _, port = address.rpartition(":")
    open_ones: list[socket.socket] = []
    listener = socket.create_server((host, int(port)))

    def accept() -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                connection, _ = listener.accept()
                open_ones.append(connection)
                with contextlib.suppress(OSError):
                    serve(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        for connection in open_ones:
            connection.close()


def silent(address: str) -> AbstractContextManager[None]:
    """It takes connections and says nothing."""
    return _each_connection(address, lambda _connection: None)


def noise(address: str) -> AbstractContextManager[None]:
    """It answers with bytes that are no protocol at all."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(os.urandom(4_096))
        connection.close()

    return _each_connection(address, serve)


@contextmanager
def _grpc(address: str, answer: Callable[[grpc.ServicerContext], bytes]) -> Generator[None]:
    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            del handler_call_details

            def unread(request: bytes, context: grpc.ServicerContext) -> bytes:
                del request
                return answer(context)

            return cast("Any", grpc.unary_unary_rpc_method_handler)(unread)

    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Handler(),))
    server.add_insecure_port(address)
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait()


def overloaded(address: str) -> AbstractContextManager[None]:
    """It asks to come back later, each time."""

    def answer(context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.UNAVAILABLE, "come back later")

    return _grpc(address, answer)


def nonsense(address: str) -> AbstractContextManager[None]:
    """It answers each request, with a message that is none."""
    return _grpc(address, lambda _context: b"\xff\xff\xff\xff")


def greedy(address: str) -> AbstractContextManager[None]:
    """It takes everything and reads nothing: what a benchmark sends to."""
    return _grpc(address, lambda _context: b"")
