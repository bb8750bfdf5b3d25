import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { greeting, type Peer, type Script, startPeer } from "../client/peer.ts";
import { createMachine, type Machine } from "./cli.ts";

const TOKEN = "t".repeat(43);

/** A gateway that takes one token or password, and says of itself what it is asked. */
function guarded(secret: { token?: string; password?: string }): Script {
  return {
    connect: ({ id, params }, line) => {
      const { token, password } = (params.auth ?? {}) as { token?: string; password?: string };
      const isRight = token === secret.token && password === secret.password;
      if (isRight) return { result: greeting() };
      const reason = (token ?? password) ? "the token does not match" : "this gateway asks for a token";
      const data = { code: "unauthorized", retry: "no" };
      line.send({ id, error: { code: "unauthorized", message: `Cannot authenticate: ${reason}`, data } });
      line.close(4501, reason);
      return undefined;
    },
    request: ({ id, method, params }, line) => line.send({ id, result: { method, params } }),
  };
}

let machine: Machine;
let peer: Peer;
let port: number;

/** One gateway whose rule each test sets. */
let script: Script = {};

beforeAll(() => {
  peer = startPeer({
    connect: (sent, line) => script.connect?.(sent, line),
    request: (sent, line) => script.request?.(sent, line),
  });
  port = Number(new URL(peer.url).port);
});
afterAll(() => peer.stop());

beforeEach(async () => {
  machine = await createMachine();
  script = guarded({ token: TOKEN });
  peer.sent.length = 0;
});
afterEach(() => machine.remove());

async function write(path: string, text: string): Promise<void> {
  const full = `${machine.home}/${path}`;
  await mkdir(full.slice(0, full.lastIndexOf("/")), { recursive: true });
  await Bun.write(full, text);
}

const note = (more: object = {}): string =>
  JSON.stringify({ pid: 1, url: peer.url, port, version: "0", startedAtMs: 1, ...more });
const tokensSent = (): unknown[] =>
  peer.sent.filter(({ method }) => method === "connect").map(({ params }) => params.auth);

describe("which gateway", () => {
  test("the one that runs here, by its own note", async () => {
    await write(".clawdbot/gateway.json", note());
    await write(".clawdbot/gateway.token", `${TOKEN}\n`);
    const { code, out } = await machine.run(["call", "health", "--json"]);
    expect([code, out]).toEqual([0, '{"method":"health","params":{}}\n']);
  });

  test("bound to one address: there, while that is this machine's", async () => {
    const bound = (host: string): Promise<void> =>
      write(
        ".clawdbot/gateway.json",
        JSON.stringify({ ...JSON.parse(note()), url: `http://${host}:${port}` }),
      );
    await write(".clawdbot/gateway.token", `${TOKEN}\n`);
    await bound("127.0.0.2");
    const elsewhere = await machine.run(["call", "health"]);
    expect([elsewhere.code, elsewhere.err]).toEqual([
      69,
      expect.stringContaining(`"ws://127.0.0.2:${port}/ws"`),
    ]);
    // Set aside for documentation (RFC 5737): the token goes nowhere but to this machine.
    await bound("203.0.113.77");
    expect(await machine.run(["call", "health"])).toMatchObject({ code: 0 });
  });

  test("of another state directory", async () => {
    await write("other/gateway.json", note());
    await write("other/gateway.token", TOKEN);
    const given = [
      machine.run(["call", "health", "--state-dir", `${machine.home}/other/`]),
      machine.run(["call", "health"], { env: { CLAWDBOT_STATE_DIR: "~/other" } }),
      machine.run(["call", "health"], {
        env: { MOLTBOT_STATE_DIR: "~/other", CLAWDBOT_STATE_DIR: "~/none" },
      }),
    ];
    expect((await Promise.all(given)).map(({ code }) => code)).toEqual([0, 0, 0]);
  });

  test("by the variable for its port", async () => {
    const env = { CLAWDBOT_GATEWAY_PORT: String(port), CLAWDBOT_GATEWAY_TOKEN: TOKEN };
    expect(await machine.run(["call", "health"], { env })).toMatchObject({ code: 0 });
  });

  test.each([
    (url: string) => url,
    (url: string) => url.replace("ws:", "http:").replace("/ws", "/"),
    (url: string) => url.replace("ws://", "").replace("/ws", ""),
  ])("by URL, however it is written (%#)", async (form) => {
    const args = ["call", "health", "--url", form(peer.url), "--token", TOKEN];
    expect(await machine.run(args)).toMatchObject({ code: 0 });
    const env = { CLAWDBOT_GATEWAY_URL: form(peer.url) };
    expect(await machine.run(["call", "health", "--token", TOKEN], { env })).toMatchObject({ code: 0 });
  });

  test.each([
    ["ftp://127.0.0.1/", /wanted a URL such as/],
    ["ws://me:secret@127.0.0.1/", /credentials and parameters do not belong in it/],
    ["ws://127.0.0.1/?token=secret", /credentials and parameters do not belong in it/],
  ])("not %s", async (url, message) => {
    const { code, err } = await machine.run(["call", "health", "--url", url]);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
  });

  test("none that answers is 69", async () => {
    const gone = startPeer();
    await gone.stop();
    const { code, err } = await machine.run(["status", "--url", gone.url, "--token", TOKEN]);
    expect(code).toBe(69);
    expect(err).toBe(
      `Cannot reach the gateway "${gone.url}": connection refused\nIs it running? Start it with: gateway\n`,
    );
  });
});

describe("which credential", () => {
  beforeEach(() => write(".clawdbot/gateway.json", note()));

  test("an option before a variable before the token file", async () => {
    await write(".clawdbot/gateway.token", "from-file");
    const env = { CLAWDBOT_GATEWAY_TOKEN: "from-env" };
    await machine.run(["call", "health", "--token", "from-option"], { env });
    await machine.run(["call", "health"], { env });
    await machine.run(["call", "health"], { env: { CLAWDBOT_GATEWAY_PASSWORD: "word" } });
    await machine.run(["call", "health"]);
    expect(tokensSent()).toEqual([
      { token: "from-option" },
      { token: "from-env" },
      { password: "word" },
      { token: "from-file" },
    ]);
  });

  test("the running gateway's own before the files', which may say what is not in force yet", async () => {
    await write(".clawdbot/gateway.json", note({ localToken: TOKEN }));
    await write(".clawdbot/gateway.token", "from-file");
    await write(".clawdbot/moltbot.json", '{ "gateway": { "auth": { "token": "not-in-force-yet" } } }');
    expect(await machine.run(["call", "health"])).toMatchObject({ code: 0 });
    expect(await machine.run(["call", "health", "--url", `localhost:${port}`])).toMatchObject({ code: 0 });
    expect(tokensSent()).toEqual([{ token: TOKEN }, { token: TOKEN }]);
    await machine.run(["call", "health"], { env: { CLAWDBOT_GATEWAY_TOKEN: "from-env" } });
    expect(tokensSent().at(-1)).toEqual({ token: "from-env" });
  });

  test("not what a gateway at another port has noted", async () => {
    await write(".clawdbot/gateway.json", note({ port: port === 1 ? 2 : 1, localToken: "of-another" }));
    await write(".clawdbot/gateway.token", TOKEN);
    expect(await machine.run(["call", "health", "--url", peer.url])).toMatchObject({ code: 0 });
    expect(tokensSent()).toEqual([{ token: TOKEN }]);
  });

  test("after what a gateway has noted that is gone, the files'", async () => {
    await write(".clawdbot/gateway.json", note({ localToken: "of-one-that-is-gone" }));
    await write(".clawdbot/gateway.token", TOKEN);
    expect(await machine.run(["call", "health"])).toMatchObject({ code: 0 });
    expect(tokensSent()).toEqual([{ token: "of-one-that-is-gone" }, { token: TOKEN }]);
  });

  const AUTH_OF = (auth: object): string => JSON.stringify({ gateway: { auth } });

  test.each([
    ["password", { password: "${GW_PASS}" }],
    ["password", { mode: "password", password: { $env: "GW_PASS" } }],
    ["token", { token: "a-${GW_PASS}", password: "${OTHER}" }],
  ])("never a %s whose variable is not set here (%#)", async (kind, auth) => {
    await write(".clawdbot/moltbot.json", AUTH_OF(auth));
    const { code, err } = await machine.run(["status"]);
    expect(code).toBe(77);
    expect(err.split("\n")[1]).toBe(`gateway.auth.${kind} is \${GW_PASS}, which is not set here`);
    expect(tokensSent()).toEqual([undefined]);
  });

  test("nor one of an older copy, nor where the file has another mistake", async () => {
    await write(".clawdbot/moltbot.json", '{ "gateway": { "port": "what" } }');
    await write(".clawdbot/config-last-good/a/moltbot.json", AUTH_OF({ password: "${GW_PASS}" }));
    const { code, err } = await machine.run(["status"]);
    expect([code, tokensSent()]).toEqual([77, [undefined]]);
    expect(err).toContain("\ngateway.auth.password is ${GW_PASS}, which is not set here\n");
  });

  test("one that is not asked for may lack its variable", async () => {
    await write(".clawdbot/moltbot.json", AUTH_OF({ mode: "token", token: TOKEN, password: "${GW_PASS}" }));
    expect(await machine.run(["call", "health"])).toMatchObject({ code: 0 });
    expect(tokensSent()).toEqual([{ token: TOKEN }]);
  });

  test("the configuration's where the token file's is refused", async () => {
    await write(".clawdbot/gateway.token", "stale-token-of-an-earlier-start");
    await write(".clawdbot/moltbot.json", `{ "gateway": { "auth": { "token": "${TOKEN}" } } } // mine`);
    expect(await machine.run(["call", "health"])).toMatchObject({ code: 0 });
    expect(tokensSent()).toEqual([{ token: "stale-token-of-an-earlier-start" }, { token: TOKEN }]);
  });

  test("the configuration's password where there is no token", async () => {
    script = guarded({ password: "correct horse battery" });
    await write(
      ".clawdbot/moltbot.json",
      '{ "gateway": { "auth": { "password": "correct horse battery" } } }',
    );
    expect(await machine.run(["call", "health"])).toMatchObject({ code: 0 });
  });

  test("none, for a gateway that wants none", async () => {
    script = guarded({});
    expect(await machine.run(["call", "health"])).toMatchObject({ code: 0 });
    expect(tokensSent()).toEqual([undefined]);
  });

  test.each([
    [["--token", "wrong"], {}, "The credential is from --token. gateway token, run where"],
    [
      [],
      { CLAWDBOT_GATEWAY_TOKEN: "x" },
      "The credential is from the variable CLAWDBOT_GATEWAY_TOKEN. The variable",
    ],
    [[], {}, "No credential was found. Looked at --token, --password, CLAWDBOT_GATEWAY_TOKEN"],
  ] as [string[], Record<string, string>, string][])(
    "refused is 77, and says where it is from (%#)",
    async (args, env, hint) => {
      const { code, out, err } = await machine.run(["status", ...args], { env });
      expect([code, out]).toEqual([77, ""]);
      const [message, advice] = err.split("\n");
      expect(message).toStartWith(`Cannot connect to "${peer.url}": `);
      expect(advice).toStartWith(hint);
      expect(err).not.toContain("wrong");
    },
  );

  test("the token file's, refused, names the file", async () => {
    await write(".clawdbot/gateway.token", "stale");
    const { code, err } = await machine.run(["status"]);
    expect(code).toBe(77);
    expect(err).toContain(`The credential is from ${machine.home}/.clawdbot/gateway.token. `);
  });
});

describe("another machine", () => {
  // Loopback with another name, as far as the rule is concerned: it goes by how the address is written.
  const far = (): string => `ws://0.0.0.0:${port}/ws`;

  test("gets no token of this machine's", async () => {
    await write(".clawdbot/gateway.json", note({ localToken: TOKEN }));
    await write(".clawdbot/gateway.token", TOKEN);
    const { code, err } = await machine.run(["status", "--url", far()]);
    expect([code, tokensSent()]).toEqual([77, [undefined]]);
    expect(err).not.toContain("gateway.token");
  });

  test("gets the one that was typed with its address", async () => {
    expect(await machine.run(["call", "health", "--url", far(), "--token", TOKEN])).toMatchObject({
      code: 0,
    });
  });

  test("gets none when its address was not typed", async () => {
    const env = { CLAWDBOT_GATEWAY_URL: far(), CLAWDBOT_GATEWAY_TOKEN: TOKEN };
    const { code, err } = await machine.run(["status"], { env });
    expect([code, tokensSent()]).toEqual([2, []]);
    expect(err).toStartWith(`Cannot send a credential to "${far()}": only to an address given with --url\n`);
  });
});

describe("calls", () => {
  const run = (args: string[], stdin: string[] = []) =>
    machine.run(["call", ...args, "--url", peer.url, "--token", TOKEN], { stdin });

  test("pass parameters from the command line or standard input", async () => {
    expect((await run(["a.b", '{"x":[1]}', "--json"])).out).toBe('{"method":"a.b","params":{"x":[1]}}\n');
    expect((await run(["a.b", "-", "--json"], ["{", '"x": 2 }'])).out).toBe(
      '{"method":"a.b","params":{"x":2}}\n',
    );
    expect((await run(["a.b"])).out).toBe('{\n  "method": "a.b",\n  "params": {}\n}\n');
  });

  test("name the nearest method there is", async () => {
    script = {
      ...script,
      request: ({ id }, line) =>
        line.send({ id, error: { code: "unknown_method", message: 'Cannot call "helth": no such method' } }),
    };
    const { code, err } = await run(["helth"]);
    expect([code, err]).toEqual([1, 'Cannot call "helth": no such method\nDid you mean health?\n']);
  });

  test("fail with the gateway's words, its time and its log line", async () => {
    const data = { code: "busy", retry: "later", retryAfterMs: 1_200 };
    const error = { code: "busy", message: "Cannot do it: full", data };
    script = { ...script, request: ({ id }, line) => line.send({ id, error }) };
    expect(await run(["a"])).toEqual({ code: 1, out: "", err: "Cannot do it: full\nTry again in 2 s\n" });
    const { code, err } = await run(["a", "--json"]);
    const said = { code: "busy", message: error.message, hint: "Try again in 2 s" };
    expect([code, JSON.parse(err)]).toEqual([1, { error: said, exitCode: 1 }]);
  });

  test("for a session that has another model say what to do", async () => {
    const data = { code: "conflict", retry: "no" };
    const error = { code: "conflict", message: 'Cannot create session "main": it exists', data };
    script = { ...script, request: ({ id }, line) => line.send({ id, error }) };
    const url = ["--url", peer.url, "--token", TOKEN];
    const { code, err } = await machine.run(["chat", "Hello", "--model", "a/b", ...url]);
    expect(code).toBe(1);
    expect(err).toStartWith(`${error.message}\nA session keeps the model it was made with: `);
  });

  test("whose connection breaks are 69", async () => {
    script = { ...script, request: (_, line) => line.cut() };
    expect(await run(["a"])).toMatchObject({ code: 69 });
  });

  test("end with their time", async () => {
    script = { ...script, request: () => undefined };
    const { code, err } = await run(["a", "--timeout-ms", "30"]);
    expect([code, err]).toEqual([1, 'Cannot wait longer for "a": no answer in 30 ms\n']);
  });
});
