/** A port of loopback that somebody else listens on. */
export function takePort(): { readonly port: number; free(): void } {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
  return { port: listener.port, free: () => listener.stop(true) };
}

/** A port that was free a moment ago, for what has to name one. */
export function freePort(): number {
  const { port, free } = takePort();
  free();
  return port;
}
