import { expect, test } from "bun:test";

import { bunServeOptions } from "../../../src/platform/bun-options.ts";

test("every option of the server is pinned", () => {
  const errors: unknown[] = [];
  const options = bunServeOptions(
    {
      hostname: "127.0.0.1",
      port: 18_789,
      bodyBytesMax: 1_000,
      idleSeconds: 30,
      socket: { messageBytesMax: 2_000, bufferedBytesMax: 3_000, pingMs: 4_000, pingsMissedMax: 2 },
      fetch: () => new Response(),
      onError: (error) => errors.push(error),
    },
    () => new Response(),
  );
  expect(options).toEqual({
    hostname: "127.0.0.1",
    port: 18_789,
    reusePort: false,
    development: false,
    maxRequestBodySize: 1_000,
    idleTimeout: 30,
    fetch: expect.any(Function),
    error: expect.any(Function),
    websocket: {
      maxPayloadLength: 2_000,
      backpressureLimit: 3_000,
      closeOnBackpressureLimit: false,
      idleTimeout: 0,
      sendPings: false,
      perMessageDeflate: false,
      publishToSelf: false,
      open: expect.any(Function),
      message: expect.any(Function),
      drain: expect.any(Function),
      pong: expect.any(Function),
      close: expect.any(Function),
      error: expect.any(Function),
    },
  });
  const failure = new Error("state of the program");
  expect(options.error(failure).status).toBe(500);
  options.websocket.error(failure);
  expect(errors).toEqual([failure, failure]);
});
