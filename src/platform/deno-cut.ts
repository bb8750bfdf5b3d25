/**
 * Cuts a connection at once.
 *
 * Deno has no public call for it: `close()` waits for the peer's answer for ever, which would let a silent
 * stranger keep its place. Its own idle timer closes the resource behind the socket, so that is what this
 * does. A version without that inner call keeps the polite way; the conformance suite would show it.
 */
export function cutSocket(ws: WebSocket): void {
  const close = tryClose();
  const id = resourceId(ws);
  if (close && id !== undefined) return close(id);
  ws.close();
}

function tryClose(): ((id: number) => void) | undefined {
  const key = property(Deno, "internal");
  if (typeof key !== "symbol") return undefined;
  const core = property(property(Deno, key), "core");
  const close = property(core, "tryClose");
  return typeof close === "function" ? (id) => void Reflect.apply(close, core, [id]) : undefined;
}

function resourceId(ws: WebSocket): number | undefined {
  const key = Object.getOwnPropertySymbols(ws).find(({ description }) => description === "[[rid]]");
  const id = key === undefined ? undefined : property(ws, key);
  return typeof id === "number" ? id : undefined;
}

function property(holder: unknown, key: string | symbol): unknown {
  return typeof holder === "object" && holder !== null ? Reflect.get(holder, key) : undefined;
}
