import { expect, test } from "bun:test";
import { LIMITS } from "../../../src/contract/limits.ts";
import { ALL_SCOPES } from "../../../src/rpc/scopes.ts";
import { serveRpc } from "../../../src/http/rpc.ts";
import { createSample } from "../../support/features.ts";
import { createLocalGateway } from "../../support/local.ts";

const caller = {
  connId: "c",
  subject: "token:http",
  name: "http",
  scopes: ALL_SCOPES,
  connectedMs: 0,
  onGone: () => () => {},
};

test("of a batch whose client has gone, what has not begun never does", async () => {
  const sample = createSample();
  const { dispatcher } = createLocalGateway({ features: [sample.feature] });
  const controller = new AbortController();
  const gates = ["a", "b"].map((gate, id) => ({
    jsonrpc: "2.0",
    id,
    method: "sample.gate",
    params: { gate },
  }));
  const request = new Request("http://localhost/rpc", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(gates),
    signal: controller.signal,
  });
  const answered = serveRpc(request, dispatcher, caller);
  while (sample.waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  controller.abort();
  sample.open("a");
  await answered;
  expect(sample.waiting).toEqual(["a"]);
});

test("a batch whose answers are long enough already does no more, and says so", async () => {
  const { dispatcher } = createLocalGateway({ features: [createSample().feature] });
  const params = { chars: LIMITS.batchReplyCharsMax / 2 };
  const request = new Request("http://localhost/rpc", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(
      Array.from({ length: 10 }, (_, id) => ({ jsonrpc: "2.0", id, method: "sample.long", params })),
    ),
  });
  const replies = (await (await serveRpc(request, dispatcher, caller)).json()) as { error?: object }[];
  expect(replies.filter(({ error }) => !error)).toHaveLength(2);
  expect(replies.filter(({ error }) => error)).toMatchObject(
    Array.from({ length: 8 }, () => ({ error: { code: -32029 } })),
  );
});
