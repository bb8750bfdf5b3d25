/** What became of one request: an answer, a refusal, or nobody knows since the connection ended. */
export type Outcome =
  | { readonly kind: "ok"; readonly result: Readonly<Record<string, unknown>> }
  | { readonly kind: "refused"; readonly code: string; readonly message: string }
  | { readonly kind: "gone" };

/** One connection that asks and nothing else: no state, no second try, no event kept. */
export interface Caller {
  call(method: string, params: object): Promise<Outcome>;
  close(): void;
}

interface Reply {
  readonly id?: string | number;
  readonly ok?: boolean;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: string; readonly message: string };
}

const GONE = { kind: "gone" } as const;

/** Resolves when it is connected, or it is known that it never will be: then every answer is `gone`. */
export async function connectCaller(url: string, token: string): Promise<Caller> {
  const waiting = new Map<number, (outcome: Outcome) => void>();
  let isGone = false;
  let lastId = 0;
  const headers = { Authorization: `Bearer ${token}` };
  // The runtime's client takes headers, which a browser's does not.
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/ws`, { headers } as never);
  const opened = Promise.withResolvers<void>();
  socket.onopen = () => opened.resolve();
  socket.onerror = () => {};
  socket.onclose = () => {
    isGone = true;
    opened.resolve();
    for (const settle of waiting.values()) settle(GONE);
    waiting.clear();
  };
  socket.onmessage = ({ data }) => {
    // The other end is our own gateway.
    const { id, result, error } = JSON.parse(String(data)) as Reply;
    const settle = waiting.get(Number(id));
    if (!settle) return;
    waiting.delete(Number(id));
    settle(error ? { kind: "refused", ...error } : { kind: "ok", result: result ?? {} });
  };
  await opened.promise;
  return {
    call(method, params) {
      if (isGone) return Promise.resolve(GONE);
      const id = ++lastId;
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      waiting.set(id, resolve);
      socket.send(JSON.stringify({ id, method, params }));
      return promise;
    },
    close: () => socket.close(),
  };
}
