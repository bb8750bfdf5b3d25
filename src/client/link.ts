import { isFinal } from "./backoff.ts";
import { fromWire, GatewayError, toRecord } from "./errors.ts";
import { CLOSE, type ConnectParams, type ErrorCode, type Hello } from "./protocol.ts";

/** The part of the standard `WebSocket` that is used. */
export type WebSocketLike = Pick<WebSocket, "send" | "close" | "addEventListener">;
export type WebSocketClass = new (url: string) => WebSocketLike;

/** One frame from the gateway, parsed. */
export type Frame = Readonly<Record<string, unknown>>;

export type LinkOptions = {
  readonly url: string;
  readonly WebSocket: WebSocketClass;
  readonly params: ConnectParams;
  /** Time from the first byte to `hello`, ms. */
  readonly timeoutMs: number;
  onHello(hello: Hello): void;
  /** Every frame after `hello`, in order. */
  onFrame(frame: Frame): void;
  /** Once, and nothing after it. `final`: coming back would only be refused again. */
  onEnd(error: GatewayError, final: boolean): void;
};

/** One socket from its opening to its end. */
export type Link = {
  send(text: string): void;
  /**
   * Ends it from this side; `onEnd` is not called. Resolves when the socket has closed, or cannot be waited
   * for.
   */
  close(): Promise<void>;
  /** Ends it as lost, without waiting for a peer that may be gone. */
  drop(message: string): void;
};

const CONNECT_ID = "connect";
const ABNORMAL = 1006;
const CLOSE_WAIT_MS = 2_000;

/**
 * Opens a socket and introduces this client on it.
 *
 * @throws GatewayError `invalid_request` when the URL is none a socket can have
 */
export function openLink(options: LinkOptions): Link {
  const socket = createSocket(options);
  const closed = Promise.withResolvers<void>();
  let phase: "opening" | "greeting" | "ready" | "ended" = "opening";
  let problem = "";

  const end = (error: GatewayError, final: boolean): void => {
    if (phase === "ended") return;
    phase = "ended";
    clearTimeout(deadline);
    socket.close();
    options.onEnd(error, final);
  };
  const deadline = setTimeout(
    () => end(unreachable(options.url, `no answer in ${options.timeoutMs} ms`), false),
    options.timeoutMs,
  );
  const greet = (frame: Frame): void => {
    const failed = frame.error !== undefined && (frame.id === CONNECT_ID || frame.id === null);
    if (failed) {
      const error = fromWire(frame.error);
      return end(error, error.retry === "no");
    }
    if (frame.id !== CONNECT_ID) return;
    if (!isHello(frame.result)) return end(notAGateway(options.url), true);
    phase = "ready";
    clearTimeout(deadline);
    options.onHello(frame.result);
  };

  socket.addEventListener("open", () => {
    if (phase !== "opening") return;
    phase = "greeting";
    socket.send(JSON.stringify({ id: CONNECT_ID, method: "connect", params: options.params }));
  });
  socket.addEventListener("message", ({ data }) => {
    if (phase === "ended") return;
    const frame = parseFrame(data);
    if (!frame) return end(notAGateway(options.url), phase !== "ready");
    if (phase === "ready") options.onFrame(frame);
    else greet(frame);
  });
  socket.addEventListener("error", (event) => void (problem = describeProblem(event)));
  socket.addEventListener("close", ({ code, reason }) => {
    closed.resolve();
    // Deno says 0 for a socket that ended without a code.
    const known = code === 0 ? ABNORMAL : code;
    if (phase === "opening") return end(unreachable(options.url, problem || "no connection"), false);
    end(closedBy(known, reason), isFinal(known));
  });

  return {
    send: (text) => socket.send(text),
    close: async () => {
      phase = "ended";
      clearTimeout(deadline);
      socket.close(1000, "client closed");
      const giveUp = setTimeout(closed.resolve, CLOSE_WAIT_MS);
      await closed.promise;
      clearTimeout(giveUp);
    },
    drop: (message) => end(new GatewayError("unavailable", message, { closeCode: ABNORMAL }), false),
  };
}

function createSocket({ url, WebSocket }: LinkOptions): WebSocketLike {
  try {
    return new WebSocket(url);
  } catch (cause) {
    throw new GatewayError(
      "invalid_request",
      `Cannot use the gateway URL "${hideSecrets(url)}": not a socket URL`,
      {
        cause,
      },
    );
  }
}

function parseFrame(data: unknown): Frame | undefined {
  if (typeof data !== "string") return undefined;
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" && value !== null ? toRecord(value) : undefined;
  } catch {
    // Not JSON: no gateway wrote it, which is what the caller makes of `undefined`.
    return undefined;
  }
}

/** Trusts a gateway with the details of its own greeting; what we steer by is checked. */
function isHello(value: unknown): value is Hello {
  const { type, resume, policy, auth } = toRecord(value);
  const { epoch, seq, replayed } = toRecord(resume);
  const { maxInflight, maxPayload, tickIntervalMs } = toRecord(policy);
  return (
    type === "hello-ok" &&
    typeof epoch === "string" &&
    [seq, replayed, maxInflight, maxPayload, tickIntervalMs].every((n) => typeof n === "number") &&
    Array.isArray(toRecord(auth).scopes)
  );
}

const CODE_OF_CLOSE: Readonly<Record<number, ErrorCode>> = {
  [CLOSE.unauthorized]: "unauthorized",
  [CLOSE.revoked]: "unauthorized",
  [CLOSE.origin]: "forbidden",
  [CLOSE.protocol]: "invalid_request",
  [CLOSE.version]: "invalid_request",
};

function closedBy(closeCode: number, reason: string): GatewayError {
  const why = reason === "" ? (closeCode === ABNORMAL ? "connection lost" : "no reason given") : reason;
  const said = closeCode === ABNORMAL && reason === "" ? why : `closed with ${closeCode}, ${why}`;
  return new GatewayError(
    CODE_OF_CLOSE[closeCode] ?? "unavailable",
    `Cannot stay connected to the gateway: ${said}`,
    {
      closeCode,
      from: closeCode === ABNORMAL ? "client" : "gateway",
    },
  );
}

function unreachable(url: string, state: string): GatewayError {
  return new GatewayError("unavailable", `Cannot reach the gateway "${hideSecrets(url)}": ${state}`, {
    closeCode: ABNORMAL,
  });
}

function notAGateway(url: string): GatewayError {
  return new GatewayError(
    "invalid_request",
    `Cannot talk to "${hideSecrets(url)}": what answers there is no gateway`,
  );
}

/** What the runtimes' different words for the same few failures have in common. */
function describeProblem(event: Event): string {
  const { message, error } = toRecord(event);
  const text = [message, toRecord(error).code].filter((part) => typeof part === "string").join(" ");
  const status = /status code: (\d{3})/.exec(text)?.[1];
  if (status) return `answered with HTTP status ${status} instead of a socket`;
  if (/ENOTFOUND|dns error/.test(text)) return "no such host";
  if (/ECONNREFUSED/.test(text)) return "connection refused";
  return "no connection";
}

function hideSecrets(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//").replace(/[?#].*$/, "");
}
