import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { Guesses, isSame, signedAs, tokenOf } from "../../../../src/plugins/webhook/credentials.ts";

const SECRET = "a-secret-of-some-length";
const BODY = new TextEncoder().encode('{"action":"opened"}');
const NOW_MS = Date.parse("2026-05-01T10:00:00Z");
const hubSignature = (body = BODY, secret = SECRET) =>
  `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;

function standard(more: { id?: string; atMs?: number; secret?: string | Buffer; body?: Uint8Array } = {}) {
  const { id = "msg_1", atMs = NOW_MS, secret = SECRET, body = BODY } = more;
  const time = String(Math.floor(atMs / 1_000));
  const signature = createHmac("sha256", secret).update(`${id}.${time}.`).update(body).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": `v1,${signature}` };
}

const judge = (headers: Record<string, string>, secret = SECRET, body = BODY) =>
  signedAs(secret, { headers, body }, NOW_MS);

test("the example of GitHub's documentation fits", async () => {
  const headers = {
    "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
  };
  const body = new TextEncoder().encode("Hello, World!");
  expect(await judge(headers, "It's a Secret to Everybody", body)).toBe(
    headers["x-hub-signature-256"].slice(7),
  );
});

test("the example of Standard Webhooks' documentation fits, in its time", async () => {
  const headers = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  };
  const body = new TextEncoder().encode('{"test": 2432232314}');
  const at = (ms: number) => signedAs("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", { headers, body }, ms);
  expect(await at(1_614_265_330_000 + 299_000)).toBe("msg_p5jXN8AQM9LWM0D4loKWxJek");
  expect(await at(1_614_265_330_000 + 301_000)).toBeUndefined();
  expect(await at(1_614_265_330_000 - 301_000)).toBeUndefined();
});

describe("a signature that does not count", () => {
  test.each<[string, Record<string, string>]>([
    ["none", {}],
    ["of another body", { "x-hub-signature-256": hubSignature(new Uint8Array([1])) }],
    ["with another secret", { "x-hub-signature-256": hubSignature(BODY, "another") }],
    ["cut", { "x-hub-signature-256": hubSignature().slice(0, -2) }],
    ["of another kind", { "x-hub-signature-256": hubSignature().replace("256", "1") }],
    ["without its time", { ...standard(), "webhook-timestamp": "" }],
    ["with no time at all", { ...standard(), "webhook-timestamp": "now" }],
    ["whose time was changed", { ...standard(), "webhook-timestamp": String(NOW_MS / 1_000 + 1) }],
    ["whose id was changed", { ...standard(), "webhook-id": "msg_2" }],
    ["with another secret, standard", standard({ secret: "another" })],
    ["that is no base64", { ...standard(), "webhook-signature": "v1,!!!" }],
    [
      "behind too many",
      {
        ...standard(),
        "webhook-signature": `${`v1,${"A".repeat(43)}= `.repeat(4)}${standard()["webhook-signature"]}`,
      },
    ],
  ])("%s", async (_, headers) => {
    expect(await judge(headers)).toBeUndefined();
  });

  test("beside one that does, as when a secret is replaced", async () => {
    const headers = standard();
    const two = `v1,${"A".repeat(43)}= ${headers["webhook-signature"]}`;
    expect(await judge({ ...headers, "webhook-signature": two })).toBe("msg_1");
  });
});

test("the token is in one of three headers", () => {
  expect(tokenOf({ authorization: "Bearer one" })).toBe("one");
  expect(tokenOf({ authorization: "bearer  one" })).toBe("one");
  expect(tokenOf({ "x-moltbot-token": "two" })).toBe("two");
  expect(tokenOf({ "x-clawdbot-token": "three" })).toBe("three");
  expect(tokenOf({ authorization: "Basic b25l" })).toBeUndefined();
  expect(tokenOf({})).toBeUndefined();
});

test("texts are the same or not, of whatever length", () => {
  expect(isSame("token", "token")).toBe(true);
  for (const other of ["Token", "token ", "toke", "", "tokentoken"])
    expect(isSame(other, "token")).toBe(false);
});

test("after twenty wrong ones an address waits; others do not, and all are forgotten", () => {
  const guesses = new Guesses();
  for (let times = 0; times < 20; times++) {
    guesses.check("a", 0);
    guesses.add("a", times);
  }
  expect(() => guesses.check("a", 59_000)).toThrow("too many wrong credentials");
  guesses.check("b", 59_000);
  guesses.check("a", 60_000);
  guesses.check("a", 60_001);
  for (let times = 0; times < 20; times++) guesses.add("a", 100_000);
  for (let other = 0; other < 1_000; other++) guesses.add(`other ${other}`, 100_000);
  // The oldest address was forgotten for the newest: so many are remembered at most.
  guesses.check("a", 100_001);
});
