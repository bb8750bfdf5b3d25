import { describe, expect, test } from "bun:test";
import { createSample } from "../../support/features.ts";
import { createLocalGateway, TOKEN } from "../../support/local.ts";

/**
 * Every example of the JSON-RPC 2.0 specification, section 7, by its code and id. Notifications and
 * methods the examples invent (`sum`, `get_data`) are unknown here as `foobar` is there.
 */
const EXAMPLES: readonly [what: string, sent: string, answers: unknown][] = [
  [
    "positional params",
    '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
    { jsonrpc: "2.0", result: 19, id: 1 },
  ],
  [
    "positional params, the other way",
    '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}',
    { jsonrpc: "2.0", result: -19, id: 2 },
  ],
  [
    "named params",
    '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
    { jsonrpc: "2.0", result: 19, id: 3 },
  ],
  [
    "named params, other order",
    '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
    { jsonrpc: "2.0", result: 19, id: 4 },
  ],
  ["a notification", '{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', undefined],
  ["a notification of a method that is not there", '{"jsonrpc": "2.0", "method": "foobar"}', undefined],
  [
    "a method that is not there",
    '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
    { jsonrpc: "2.0", error: { code: -32601 }, id: "1" },
  ],
  [
    "invalid JSON",
    '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
    { jsonrpc: "2.0", error: { code: -32700 }, id: null },
  ],
  [
    "an invalid request object",
    '{"jsonrpc": "2.0", "method": 1, "params": "bar"}',
    { jsonrpc: "2.0", error: { code: -32600 }, id: null },
  ],
  [
    "a batch of invalid JSON",
    '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method"]',
    { jsonrpc: "2.0", error: { code: -32700 }, id: null },
  ],
  ["an empty batch", "[]", { jsonrpc: "2.0", error: { code: -32600 }, id: null }],
  ["a batch of one invalid", "[1]", [{ jsonrpc: "2.0", error: { code: -32600 }, id: null }]],
  [
    "a batch of invalid ones",
    "[1,2,3]",
    [1, 2, 3].map(() => ({ jsonrpc: "2.0", error: { code: -32600 }, id: null })),
  ],
  [
    "a mixed batch",
    `[{"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
      {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
      {"foo": "boo"},
      {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"}]`,
    [
      { jsonrpc: "2.0", result: 19, id: "2" },
      { jsonrpc: "2.0", error: { code: -32600 }, id: null },
      { jsonrpc: "2.0", error: { code: -32601 }, id: "5" },
    ],
  ],
  [
    "a batch of notifications",
    '[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},{"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]',
    undefined,
  ],
];

function connected() {
  const gateway = createLocalGateway({ features: [createSample().feature] });
  const client = gateway.open({ isJsonRpc: true });
  client.take();
  client.send({ jsonrpc: "2.0", id: 0, method: "connect", params: { auth: { token: TOKEN } } });
  client.take();
  return { gateway, client };
}

describe("JSON-RPC 2.0, section 7", () => {
  test.each(EXAMPLES)("%s", (_what, sent, wanted) => {
    const { client } = connected();
    client.send(sent);
    const answers = client.take() as unknown[];
    if (wanted === undefined) return expect(answers).toEqual([]);
    expect(answers).toHaveLength(1);
    expect(answers[0]).toMatchObject(wanted as object);
    if (Array.isArray(wanted)) expect(answers[0]).toHaveLength(wanted.length);
  });
});

describe("JSON-RPC beyond the examples", () => {
  test("the challenge is a notification under the subprotocol", () => {
    const gateway = createLocalGateway();
    const [challenge] = gateway.open({ isJsonRpc: true }).take();
    expect(challenge).toMatchObject({
      jsonrpc: "2.0",
      method: "connect.challenge",
      params: { nonce: expect.any(String) },
    });
  });

  test("an event is a notification named after it, its number beside its own keys", () => {
    const { gateway, client } = connected();
    gateway.hub.broadcast("sample.must", { n: 7 });
    gateway.hub.broadcast("sample.empty", {});
    expect(client.take()).toEqual([
      { jsonrpc: "2.0", method: "sample.must", params: { seq: 1, n: 7 } },
      { jsonrpc: "2.0", method: "sample.empty", params: { seq: 2 } },
    ]);
  });

  test("the error carries number, code and retry", () => {
    const { client } = connected();
    client.send({ jsonrpc: "2.0", id: 9, method: "sample.echo", params: {} });
    expect(client.take()).toMatchObject([
      { id: 9, error: { code: -32602, data: { code: "invalid_params", retry: "no" } } },
    ]);
  });

  test("a hundred requests in a batch are answered, a hundred and one are too large", async () => {
    const { client } = connected();
    const batch = (size: number) =>
      Array.from({ length: size }, (_, id) => ({ jsonrpc: "2.0", id, method: "subtract", params: [id, 1] }));
    client.send(batch(100));
    expect(client.take()[0]).toHaveLength(100);
    client.send(batch(101));
    expect(client.take()).toMatchObject([{ id: null, error: { code: -32013 } }]);
  });

  test("a batch is answered once, when its last request is", async () => {
    const sample = createSample();
    const gateway = createLocalGateway({ features: [sample.feature] });
    const client = gateway.open({ isJsonRpc: true, grant: { credential: "token", scopes: ["read"] } });
    client.take();
    client.send([
      { jsonrpc: "2.0", id: 1, method: "sample.gate", params: ["g"] },
      { jsonrpc: "2.0", id: 2, method: "subtract", params: [3, 1] },
    ]);
    expect(client.take()).toEqual([]);
    sample.open("g");
    await gateway.dispatcher.idle();
    await Promise.resolve();
    expect(client.take()).toEqual([
      [
        { jsonrpc: "2.0", result: 2, id: 2 },
        { jsonrpc: "2.0", result: { gate: "g" }, id: 1 },
      ],
    ] as never);
  });

  test("connect inside a batch is refused", () => {
    const gateway = createLocalGateway();
    const client = gateway.open({ isJsonRpc: true });
    client.take();
    client.send([{ jsonrpc: "2.0", id: 1, method: "connect", params: { auth: { token: TOKEN } } }]);
    expect(client.take()).toMatchObject([[{ id: 1, error: { code: -32600 } }]] as never);
  });
});
