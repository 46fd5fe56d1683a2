"""tests/chaos/proxy.py    A TCP proxy on loopback that behaves as networks do on bad days.

All proxies of a run live on one event loop in a thread of their own; the methods of Proxy may be called from any
thread.  A proxy keeps its port for ever, what it leads to may change:

    cut(pattern, how)    the next request that has the pattern in it
                           after   reaches the server, its reply is lost and the connection with it
                           before  never gets there
                           half    gets there in part
                           late    gets there some time after its sender has lost the connection
    drop()               every connection ends now
    refuse(on)           new connections end at once
    hold(on)             bytes stay where they are, in both directions
    keep(pattern)        requests that have the pattern in them stay here, the rest passes; None lets them go
    slow(ms, bytes_per_s)  each piece takes so long; 0, 0 ends it
    lead_to(port)        where new connections go; the old ones end
"""
import asyncio
import threading
import time

PIECE = 64 << 10      # bytes read at once, and so the most that a connection keeps in each direction
LATE_MAX = 4 << 20    # bytes of requests that are kept to be delivered late, over all connections


class Loop:
    """The thread that all proxies of a run share."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def stop(self):
        self.call(self.cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def cancel_all(self):
        tasks = [t for t in asyncio.all_tasks(self.loop) if t is not asyncio.current_task()]
        for t in tasks:
            t.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Cut:
    def __init__(self, pattern, how, late_s):
        self.pattern, self.how, self.late_s = pattern, how, late_s


class Link:
    """One connection: two pumps that end together."""

    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.lose_reply = False
        self.late = False  # the client is gone, what it sent is still under way
        self.tasks = [asyncio.ensure_future(self.up()), asyncio.ensure_future(self.down())]

    async def up(self):
        try:
            while True:
                data = await self.client[0].read(PIECE)
                if not data:
                    break
                await self.proxy.passage(len(data))
                await self.proxy.kept(data)
                cut = self.proxy.struck_by(data)
                if cut and not await self.take(cut, data):
                    break
                self.server[1].write(data if not cut or cut.how == "after" else b"")
                await self.server[1].drain()
        except (OSError, ValueError):
            pass
        self.end()

    async def take(self, cut, data):
        """False: the connection ends here."""
        if cut.how == "after":
            self.lose_reply = True
            return True
        if cut.how == "half":
            self.server[1].write(data[:len(data) // 2])
            await self.server[1].drain()
        elif cut.how == "late":
            self.late = True
            self.client[1].transport.abort()
            if self.proxy.late_bytes + len(data) <= LATE_MAX:
                self.proxy.late_bytes += len(data)
                await asyncio.sleep(cut.late_s)
                self.proxy.late_bytes -= len(data)
                self.server[1].write(data)
                await self.server[1].drain()
                await asyncio.sleep(0.2)  # so that the server reads it before the end of the stream
        return False

    async def down(self):
        try:
            while True:
                data = await self.server[0].read(PIECE)
                if not data or self.lose_reply:
                    break
                if self.late:
                    continue
                await self.proxy.passage(len(data))
                self.proxy.last_down = time.monotonic()
                self.client[1].write(data)
                await self.client[1].drain()
        except (OSError, ValueError):
            pass
        if not self.late:
            self.end()

    def end(self):
        self.proxy.links.discard(self)
        for _, writer in (self.client, self.server):
            if writer.transport:
                writer.transport.abort()
        for t in self.tasks:
            if t is not asyncio.current_task():
                t.cancel()


class Proxy:
    """where: a port, or the path of a unix socket."""

    def __init__(self, loop, where, target):
        self.loop, self.where, self.target = loop, where, target
        self.links, self.cuts = set(), []
        self.refusing, self.delay_s, self.bytes_per_s, self.late_bytes = False, 0.0, 0.0, 0
        self.kept_pattern = None
        self.last_down = time.monotonic()
        loop.call(self.listen())

    async def listen(self):
        self.free = asyncio.Event()
        self.free.set()
        self.released = asyncio.Event()
        if isinstance(self.where, int):
            self.server = await asyncio.start_server(self.connected, "127.0.0.1", self.where, limit=PIECE)
        else:
            self.server = await asyncio.start_unix_server(self.connected, self.where, limit=PIECE)

    async def connected(self, reader, writer):
        if self.refusing:
            writer.transport.abort()
            return
        try:
            server = await asyncio.open_connection("127.0.0.1", self.target, limit=PIECE)
        except OSError:
            writer.transport.abort()
            return
        self.links.add(Link(self, (reader, writer), server))

    async def passage(self, n):
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.bytes_per_s:
            await asyncio.sleep(n / self.bytes_per_s)
        await self.free.wait()

    async def kept(self, data):
        if self.kept_pattern and self.kept_pattern in data:
            await self.released.wait()

    def struck_by(self, data):
        for cut in self.cuts:
            if cut.pattern in data:
                self.cuts.remove(cut)
                return cut
        return None

    # ---- from any thread ----
    def run(self, function):
        async def inside():
            return function()
        return self.loop.call(inside())

    def cut(self, pattern=b"", how="after", late_s=1.0):
        cut = Cut(pattern, how, late_s)
        self.run(lambda: self.cuts.append(cut))
        return cut

    def waits_for(self, cut):
        """Has it not struck yet?"""
        return self.run(lambda: cut in self.cuts)

    def withdraw(self, cut):
        self.run(lambda: self.cuts.remove(cut) if cut in self.cuts else None)

    def drop(self):
        self.run(lambda: [link.end() for link in list(self.links)])

    def refuse(self, on):
        self.run(lambda: setattr(self, "refusing", on))

    def hold(self, on):
        self.run(self.free.clear if on else self.free.set)

    def keep(self, pattern):
        def change():
            self.kept_pattern = pattern
            (self.released.clear if pattern else self.released.set)()
        self.run(change)

    def slow(self, ms=0, bytes_per_s=0):
        def change():
            self.delay_s, self.bytes_per_s = ms / 1000, float(bytes_per_s)
        self.run(change)

    def lead_to(self, port):
        def change():
            self.target = port
            for link in list(self.links):
                link.end()
        self.run(change)

    def heal(self):
        def change():
            self.cuts.clear()
            self.refusing, self.delay_s, self.bytes_per_s = False, 0.0, 0.0
            self.free.set()
        self.run(change)
