"""The intake's connection to a RabbitMQ cluster: AMQP 0-9-1 over TLS. The only importer of pika.

Sites speak MQTT to any node; the plugin puts what they say on `amq.topic`, a topic's slashes as dots. Intakes compete
for one quorum queue, which outlives any minority of the nodes, and acknowledge a message after its commit. `online`
comes to each intake by a queue of its own: those messages are nothing but their order (see link.py).
Sources: AMQP 0-9-1; RabbitMQ 3.10, "MQTT Plugin" and "Quorum Queues".
"""

from __future__ import annotations

import logging
import queue
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.credentials import ExternalCredentials
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties

from zorgkiosk.contract.topics import FROM_SITE, every_site
from zorgkiosk.hub.config import Broker
from zorgkiosk.hub.link import Arrival, Arrived, Connected, LinkError, take

log = logging.getLogger(__name__)

_EXCHANGE = "amq.topic"
_HEARTBEAT_S = 20
_TIMEOUT_S = 5
_IN_FLIGHT = 512
_BACKOFF_S = (0.5, 4.0)
_TURN_S = 1.0
_MAX_WAITING_WORDS = 50_000
"""Acks and questions for sites that wait for a connection; more are dropped, sites ask again."""


@dataclass(frozen=True)
class Delivered(Arrived):
    """`tag` names it to the broker, on the channel number `channel` of this process."""

    tag: int = 0
    channel: int = 0


class AmqpLink:
    """Same verbs as link.Link. One thread owns the connection; the others leave it work."""

    def __init__(self, broker: Broker, region: str, context: ssl.SSLContext) -> None:
        self._broker = broker
        self._region = region
        self._context = context
        self._waiting: queue.Queue[Arrival] = queue.Queue()  # never longer than what may be in flight
        self._outgoing: deque[tuple[str, bytes]] = deque(maxlen=_MAX_WAITING_WORDS)
        self._settled: deque[tuple[int, int]] = deque()
        self._connection: pika.BlockingConnection | None = None
        self._channels = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="amqp", daemon=True)

    @classmethod
    def to(cls, broker: Broker, region: str) -> AmqpLink:
        """A link that is not connected yet. Raises LinkError when the certificate files are unusable."""
        try:
            context = ssl.create_default_context(cafile=str(broker.ca_file))
            context.load_cert_chain(str(broker.certificate_file), str(broker.key_file))
        except OSError as error:  # ssl.SSLError too
            raise LinkError(f"certificate files in {broker.ca_file.parent} are unusable: {error}") from error
        return cls(broker, region, context)

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def start(self) -> None:
        """Connect in the background, to one node after the other until one lets us in."""
        self._thread.start()

    def receive(self, *, limit: int, timeout_s: float) -> list[Arrival]:
        """Up to `limit` arrivals, waiting `timeout_s` for the first. Raises LinkError when the thread died."""
        return take(self._waiting, limit, timeout_s, self._thread)

    def say(self, topic: str, payload: bytes) -> None:
        """Publish on the exchange that the sites' subscriptions are bound to. While disconnected it is dropped."""
        if self._connection is not None:
            self._outgoing.append((topic.replace("/", "."), payload))

    def settle(self, arrivals: Sequence[Arrival]) -> None:
        """Acknowledge to the broker, after what was said: a message whose ack got lost here comes again."""
        reached: dict[int, int] = {}
        for each in arrivals:
            if isinstance(each, Delivered):
                reached[each.channel] = max(each.tag, reached.get(each.channel, 0))
        self._settled.extend(reached.items())
        connection = self._connection
        if connection is not None:
            try:
                connection.add_callback_threadsafe(lambda: None)  # wakes the thread
            except AMQPError:
                log.debug("connection ended meanwhile: what is not acknowledged comes again")

    def stop(self, timeout_s: float = 1.0) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        pause_s = _BACKOFF_S[0]
        for host in cycle((self._broker.host, *self._broker.hosts)):
            if self._stop.is_set():
                return
            since_s = time.monotonic()
            try:
                self._converse(host)
            except (AMQPError, OSError) as error:
                log.warning("broker %s:%s disconnected: %s", host, self._broker.port, _cause(error))
            finally:
                self._connection = None
            pause_s = _BACKOFF_S[0] if time.monotonic() - since_s > _BACKOFF_S[1] else min(2 * pause_s, _BACKOFF_S[1])
            self._stop.wait(pause_s)

    def _converse(self, host: str) -> None:
        connection = pika.BlockingConnection(
            pika.ConnectionParameters(
                host=host,
                port=self._broker.port,
                credentials=ExternalCredentials(),
                ssl_options=pika.SSLOptions(self._context, host),
                heartbeat=_HEARTBEAT_S,
                blocked_connection_timeout=_HEARTBEAT_S,
                socket_timeout=_TIMEOUT_S,
                stack_timeout=2 * _TIMEOUT_S,
            )
        )
        try:
            channel = connection.channel()
            self._channels += 1
            self._outgoing.clear()
            self._settled.clear()
            self._consume(channel, self._channels)
            log.info("broker %s:%s connected", host, self._broker.port)
            self._connection = connection
            self._waiting.put(Connected())
            while not self._stop.is_set():
                connection.process_data_events(_TURN_S)  # type: ignore[no-untyped-call, unused-ignore]
                self._send(channel)
        finally:
            self._connection = None
            if connection.is_open:
                connection.close()

    def _consume(self, channel: BlockingChannel, number: int) -> None:
        shared = f"zorgkiosk.{self._region}.intake"
        channel.basic_qos(prefetch_count=_IN_FLIGHT)
        channel.queue_declare(shared, durable=True, arguments={"x-queue-type": "quorum"})
        own = channel.queue_declare("", exclusive=True).method.queue
        for leaf in FROM_SITE:
            key = every_site(self._region, leaf).replace("/", ".").replace("+", "*")
            channel.queue_bind(own if leaf == "online" else shared, _EXCHANGE, key)
        for name in (own, shared):
            channel.basic_consume(name, self._taker(number))

    def _taker(self, number: int) -> Callable[[BlockingChannel, Basic.Deliver, BasicProperties, bytes], None]:
        def take(_channel: BlockingChannel, how: Basic.Deliver, _properties: BasicProperties, body: bytes) -> None:
            topic = str(how.routing_key).replace(".", "/")
            self._waiting.put(Delivered(topic, body, tag=int(how.delivery_tag or 0), channel=number))

        return take

    def _send(self, channel: BlockingChannel) -> None:
        while self._outgoing:
            key, payload = self._outgoing.popleft()
            channel.basic_publish(_EXCHANGE, key, payload)
        while self._settled:
            number, tag = self._settled.popleft()
            if number == self._channels:
                channel.basic_ack(tag, multiple=True)


def _cause(error: Exception) -> str:
    return str(error) or type(error).__name__
