/**
 * The yardstick: `Bun.serve` with nothing but `JSON.parse` and `JSON.stringify` behind it. First line of
 * output: its URL. `broadcast N` sends N events to every socket in a loop, `publish N` with the runtime's
 * own topics.
 */
const TRIGGERS = ["clawd", "claude", "computer"];
const PORT = Number(process.env["BENCH_PORT"] ?? 0);
const sockets = new Set<Bun.ServerWebSocket<undefined>>();

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: PORT,
  fetch(request, server) {
    if (server.upgrade(request)) return undefined;
    return new Response("not a socket", { status: 426 });
  },
  websocket: {
    open(socket) {
      sockets.add(socket);
      socket.subscribe("all");
    },
    close: (socket) => void sockets.delete(socket),
    message(socket, text) {
      const { id, method } = JSON.parse(String(text)) as { id: unknown; method: string };
      const result = method === "connect" ? { type: "hello-ok", protocol: 1 } : { triggers: TRIGGERS };
      socket.send(JSON.stringify({ id, result }));
    },
  },
});

console.log(`http://127.0.0.1:${server.port}`);

for await (const line of console) {
  const [verb = "", count = "0"] = line.split(" ");
  for (let seq = 1; seq <= Number(count); seq++) {
    const text = JSON.stringify({ event: "voicewake.changed", seq, triggers: TRIGGERS });
    if (verb === "publish") server.publish("all", text);
    else for (const socket of sockets) socket.send(text);
    // Lets the runtime write, as it could between two real events.
    await new Promise((resolve) => setImmediate(resolve));
  }
  console.log("done");
}
