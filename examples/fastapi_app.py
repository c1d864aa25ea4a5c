"""A web service that sends an event for each order it takes.

    uvicorn fastapi_app:app          # with KAFKA_SERVERS=host:port, or a broker at localhost:9092

One producer serves all requests. The lifespan connects it before the first request, so that the service does not start
without its broker, and flushes it after the last. A request is answered when the broker has acknowledged its event;
otherwise the client gets an error and may retry.
"""

import os
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator, Dict

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

from kjson import AsyncProducer, DeliveryError, KafkaTimeoutError, QueueFullError


class Order(BaseModel):
    id: int
    total: float


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncProducer(os.environ.get("KAFKA_SERVERS", "localhost:9092")) as producer:
        app.state.producer = producer
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=201)
async def take_order(order: Order, request: Request) -> Dict[str, Any]:
    producer: AsyncProducer = request.app.state.producer
    event = {"id": order.id, "total": order.total}
    try:
        stored = await producer.send_and_wait("orders", event, key=str(order.id), timeout=10)
    except (DeliveryError, KafkaTimeoutError, QueueFullError) as error:
        raise HTTPException(503, "the order could not be stored: try again") from error
    return {"partition": stored.partition, "offset": stored.offset}


@app.get("/health")
async def health(request: Request) -> Dict[str, Any]:
    await request.app.state.producer.ping(timeout=2)
    return {"pending": request.app.state.producer.pending}
